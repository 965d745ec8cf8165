"""Saves and restores everything a training run needs to go on."""

import pathlib

import keras
import tensorflow as tf

from model import optimizer

_FOLDER = "checkpoints"
_KEPT = 2


class Checkpoints:
    """Weights, moments and step of a run, under `run_dir/checkpoints`."""

    def __init__(
        self,
        model: keras.Model,
        model_optimizer: optimizer.AdamW,
        run_dir: pathlib.Path,
    ):
        self._optimizer = model_optimizer
        # By path: TensorFlow does not see layers that Keras keeps in lists.
        weights = {variable.path: variable.value for variable in model.variables}
        checkpoint = tf.train.Checkpoint(weights=weights, optimizer=model_optimizer)
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(run_dir / _FOLDER), max_to_keep=_KEPT
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
        return int(self._optimizer.step)

    def save(self) -> None:
        """Writes a checkpoint; the oldest beyond the last two is removed."""
        self._manager.save(checkpoint_number=int(self._optimizer.step))
