"""Finds exported models, without TensorFlow: a wrong folder is told at once."""

import json
from typing import Any

from foundation import artifact_paths, errors

EXTRA_ASSETS = "assets.extra"
INFO_FILENAME = "info.json"
TRAINING = "training"  # a key of that file


def newest_version(path: artifact_paths.Path) -> artifact_paths.Path:
    """`path` itself when it is a SavedModel, else its highest numbered version.

    Raises:
        ModelFileError: neither is there.
    """
    if not path.is_dir():
        raise errors.ModelFileError(
            f"{path}: no such folder. Give the folder of an exported model, such as "
            "workspace/serving/<model>."
        )
    if _is_complete(path):
        return path
    versions = [each for each in path.iterdir() if each.name.isdecimal()]
    complete = [each for each in versions if _is_complete(each)]
    if not complete:
        found = sorted(each.name for each in path.iterdir())[:10]
        raise errors.ModelFileError(
            f"{path}: no saved_model.pb in it or in a numbered folder below it; found "
            f"{found or 'nothing'}. Give the folder of an exported model, such as "
            "workspace/serving/<model>."
        )
    return max(complete, key=lambda version: int(version.name))


def training_of(folder: artifact_paths.Path) -> dict[str, Any]:
    """What a model says of its training; empty when it does not, or is not there.

    Args:
        folder: holds `saved_model.pb`.
    """
    try:
        text = (folder / EXTRA_ASSETS / INFO_FILENAME).read_text(encoding="utf-8")
        return dict(json.loads(json.loads(text)[TRAINING]))
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _is_complete(folder: artifact_paths.Path) -> bool:
    return (folder / "saved_model.pb").is_file()
