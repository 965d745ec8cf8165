"""Where a training keeps what it has until its node is done.

TFX removes the outputs of an execution that failed or was interrupted. A training's own
folder lies beside them and is named after all that its weights depend on, so the next
execution of the same training goes on from it, and no other one does. When training is
done, the outputs get links to what is there, or copies; the folder itself goes when the
metadata store knows that the node is complete.

Light on purpose, as `pipeline.nodes.executions` is.
"""

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

from foundation import artifact_paths, artifact_trees, errors
from model import config
from model.train import differences, manifest

CHECKPOINTS = "checkpoints"
CLASSES = "the classes"  # in a description
_FOLDER = "unfinished"
_MARK = "handed_over.json"  # names the execution whose outputs have all of it
_DAYS = 14
_DAY = 86_400.0  # seconds


def description(
    settings: config.TrainerConfig,
    examples: Sequence[str],
    transform_graph: str,
    info: Mapping[str, str],
    classes: Sequence[tuple[int, str]] = (),
) -> dict[str, Any]:
    """All that the weights at the end depend on, by keys that mean something to users.

    Args:
        examples: files or patterns.
        info: has `code_digest`, and `initial_weights` if there are any.
        classes: ids and names; the graph decides them, and a checkpoint keeps them for
            whoever starts from it.
    """
    depends_on = settings.model_dump(mode="json", include={"data", "model", "train"})
    for key in config.WITHOUT_EFFECT:
        del depends_on["train"][key]
    return {
        **differences.flat(depends_on),
        "the examples": sorted(examples),
        "the transform graph": transform_graph,
        CLASSES: [list(each) for each in classes],
        "the code": info.get("code_digest", ""),
        "the initial weights": info.get("initial_weights", ""),
    }


def folder_of(
    node_folder: artifact_paths.Path, training: Mapping[str, Any]
) -> artifact_paths.Path:
    """The folder of a training, below that of its node."""
    key = hashlib.sha256(json.dumps(training, sort_keys=True).encode()).hexdigest()
    return node_folder / _FOLDER / key[:16]


def require_same(folder: artifact_paths.Path, training: Mapping[str, Any]) -> None:
    """Refuses a folder that holds another training; the classes are not compared.

    Nor is the length of one whose images are not counted yet; `Checkpoints` compares it
    when they are.

    Raises:
        ConfigError: naming what differs.
    """
    found = _newest(folder)
    if found is None:
        return
    unknown = {CLASSES: None}
    if not isinstance(training["train.steps"], int):
        unknown |= dict.fromkeys(("train.steps", "train.epochs"))
    known = ({**each, **unknown} for each in (found.training, training))
    if changes := differences.between(*known):
        raise errors.ConfigError(
            f"{folder}: holds a training, at step {found.step}, of another "
            f"configuration: {differences.told(changes)}. Name another folder, or take "
            "the change back."
        )


def tell_of_another(
    node_folder: artifact_paths.Path, training: Mapping[str, Any]
) -> str | None:
    """A line about the latest other training; None when there is nothing to tell.

    Only who starts anew wonders where the steps of the last training are.
    """
    mine = folder_of(node_folder, training)
    if manifest.steps(mine / CHECKPOINTS):
        return None
    found = []
    for folder in _folders(node_folder):
        if folder.name != mine.name and (newest := _newest(folder)):
            found.append((newest.saved_at, folder, newest))
    if not found:
        return None
    _, folder, newest = max(found, key=lambda each: each[0])
    changes = differences.between(newest.training, training)
    return (
        f"the configuration changed, so training starts at step 0: "
        f"{differences.told(changes)}. What was trained before, {newest.step} steps, "
        f"stays in {folder} for {_DAYS} days"
    )


def hand_over(folder: artifact_paths.Path, run_dir: artifact_paths.Path) -> None:
    """Puts all that a training left among the outputs of an execution.

    Args:
        run_dir: named after the execution.

    Raises:
        OSError: it could not be; the training goes on from its folder.
    """
    names = [name for name in artifact_trees.files(folder) if name != _MARK]
    # A manifest after the files it tells of.
    for name in sorted(names, key=lambda name: name.endswith(".json")):
        _put(folder / name, run_dir / name)
    mark_done(folder, run_dir.name)


def mark_done(folder: artifact_paths.Path, execution: str) -> None:
    """Says that a folder can go when an execution is complete."""
    mark = json.dumps({"execution": execution})
    artifact_paths.write_whole(folder / _MARK, mark.encode())


def undo(node_folder: artifact_paths.Path, execution_id: int) -> None:
    """See `clean_up.CleanUp`: outputs go, and the folder has still all of it."""


def forget(node_folder: artifact_paths.Path, execution_id: int) -> None:
    """Removes the folder of a training that is done, and those nobody came back to."""
    with contextlib.suppress(FileNotFoundError):
        for folder in _folders(node_folder):
            try:
                _forget(folder, execution_id)
            except OSError as error:
                logging.warning("%s stays: %s", folder, error)


def _forget(folder: artifact_paths.Path, execution_id: int) -> None:
    mark = folder / _MARK
    if mark.is_file():
        is_over = json.loads(mark.read_text())["execution"] == str(execution_id)
    else:
        days = (time.time() - _last_change(folder)) / _DAY
        is_over = days > _DAYS
        if is_over:
            logging.info("%s was left %.0f days ago and is removed", folder, days)
    if is_over:
        artifact_paths.remove_tree(folder, missing_ok=True)


def _folders(node_folder: artifact_paths.Path) -> list[artifact_paths.Path]:
    place = node_folder / _FOLDER
    return sorted(place.iterdir()) if place.is_dir() else []


def _newest(folder: artifact_paths.Path) -> manifest.Manifest | None:
    """The newest checkpoint that can be read; its files are not looked at."""
    for step in manifest.steps(folder / CHECKPOINTS):
        with contextlib.suppress(manifest.DamageError):
            return manifest.read(folder / CHECKPOINTS, step)
    return None


def _last_change(folder: artifact_paths.Path) -> float:
    """When something was written there last, in seconds since 1970."""
    changes = [0.0]
    for name in artifact_trees.files(folder):
        path = folder / name
        if isinstance(path, pathlib.Path):
            changes.append(path.stat().st_mtime)
        else:
            with artifact_paths.asked(path) as gfile:
                changes.append(gfile.stat(str(path)).mtime_nsec / 1e9)
    return max(changes)


def _put(source: artifact_paths.Path, target: artifact_paths.Path) -> None:
    """Links where the file system can, and else copies."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, pathlib.Path) and isinstance(target, pathlib.Path):
        target.unlink(missing_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
        return
    with artifact_paths.asked(target) as gfile:
        gfile.copy(str(source), str(target), overwrite=True)
