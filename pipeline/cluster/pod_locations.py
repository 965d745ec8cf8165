"""The folders of a run on a cluster, as one of its pods sees them."""

import pathlib
from collections.abc import Sequence

from foundation import artifact_paths, errors
from pipeline import locations
from pipeline.settings import data_roots


def require(data: str, root: str, serving: str) -> locations.Locations:
    """Checks that this pod sees the folders; those that are written are made.

    Args:
        data: one folder, or several as `data_roots` has them.
        root: for artifacts, logs and the compiled graph.

    Raises:
        ConfigError: one is not shared by all pods, the data is not there, or a run
            would write into it.
    """
    written = (("--root", root), ("--serving", serving))
    roots = data_roots.parse(data)
    for each in roots:
        _check_shared("--data", each, "Mount a bucket as a volume to use one.")
    for option, text in written:
        if not artifact_paths.is_remote(text):
            _check_shared(option, text, "In a bucket, wanted gs://bucket/folder.")
        elif reason := artifact_paths.fault(text):
            raise errors.ConfigError(f"{option} {text}: {reason}")
    for each in roots:
        _check_data(each, written)
    found = locations.Locations(
        roots, artifact_paths.of(root), artifact_paths.of(serving)
    )
    for folder in (found.artifact_root, found.serving_root):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise errors.ConfigError(
                f"{folder}: cannot be made: {error.strerror}. {_access(folder)}"
            ) from None
    return found


def _check_shared(option: str, text: str, otherwise: str) -> None:
    if artifact_paths.is_remote(text) or not pathlib.Path(text).is_absolute():
        raise errors.ConfigError(
            f"{option} {text!r}: wanted an absolute path on the volume that all "
            f"pods mount. {otherwise}"
        )


def _access(folder: artifact_paths.Path) -> str:
    if isinstance(folder, artifact_paths.RemotePath):
        return (
            "See that the bucket is there and that the account of the pods may make, "
            "read, list and delete objects in it."
        )
    return "See that the volume is mounted and that the pod's user may write to it."


def _check_data(data: str, written: Sequence[tuple[str, str]]) -> None:
    fixed = data_roots.fixed_part(data)
    if fixed == data and not pathlib.Path(data).is_dir():
        raise errors.ConfigError(
            f"--data {data}: no such folder in this pod. Copy the data to the volume, "
            "or see what is mounted where."
        )
    for option, text in written:
        if pathlib.Path(text).is_relative_to(fixed):
            raise errors.ConfigError(
                f"--data {data}: holds {option} {text}, so every run would change the "
                "data it reads. Name the folder of the pictures alone."
            )
