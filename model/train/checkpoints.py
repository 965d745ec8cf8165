"""Saves and restores everything a training run needs to go on."""

import logging
import pathlib
import shutil

import keras
import tensorflow as tf

from foundation import artifact_paths, artifact_trees
from model.train import optimizer

_KEPT = 2
_LIST = "checkpoint"  # which checkpoints there are, as TensorFlow names it


class Checkpoints:
    """Weights, moments and step of a run, in a folder of their own."""

    def __init__(
        self,
        model: keras.Model,
        model_optimizer: optimizer.AdamW,
        folder: artifact_paths.Path,
    ):
        self._optimizer = model_optimizer
        # By path: TensorFlow does not see layers that Keras keeps in lists.
        weights = {variable.path: variable.value for variable in model.variables}
        checkpoint = tf.train.Checkpoint(weights=weights, optimizer=model_optimizer)
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(folder), max_to_keep=_KEPT
        )

    def restore_latest(self) -> int:
        """Loads the newest checkpoint, if there is one.

        Returns:
            Updates made so far, 0 for a new run.
        """
        path = self._manager.latest_checkpoint
        if path:
            status = self._manager.checkpoint.restore(path)
            status.assert_consumed()
        return int(self._optimizer.step.read_value())

    def save(self) -> None:
        """Writes a checkpoint; the oldest beyond the last two is removed."""
        self._manager.save(checkpoint_number=int(self._optimizer.step.read_value()))


def move(folder: artifact_paths.Path, target: artifact_paths.Path) -> None:
    """Moves the checkpoints of a run that is done.

    Where files cannot be moved in one step they are copied. A run that is cut off in
    the meantime goes on from where they were, until all of them are where they belong.

    Args:
        target: is not there.

    Raises:
        OSError: they could not be moved; they are whole where they were.
    """
    if isinstance(folder, pathlib.Path):
        shutil.move(folder, target)
        return
    artifact_trees.copy_tree(folder, target, last=_LIST)
    artifact_trees.check_copy(target, folder)
    # Without its list a folder of which half is left counts as empty.
    (folder / _LIST).unlink()
    try:
        artifact_paths.remove_tree(folder)
    except OSError as error:
        logging.warning("Checkpoints: %s holds old ones: %s", folder, error.strerror)
