"""The training loop."""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from foundation import artifact_paths, errors, progress
from model import config
from model.examples import dataset
from model.train import (
    checkpoints,
    cluster,
    curves,
    failures,
    host_memory,
    interruption,
    optimizer,
    score,
    state,
    training_step,
    unfinished,
)

# What batches tell of themselves beside what is trained on.
_IMAGES, _LEFT_OUT = dataset.TOLD


def make_strategy(settings: config.TrainConfig) -> tf.distribute.Strategy:
    """How the work is spread; build the model inside its `scope()`.

    Call before TensorFlow computes anything: several workers have to meet first.
    """
    if settings.distribution == "mirrored":
        return tf.distribute.MirroredStrategy()
    if settings.distribution == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.get_strategy()


def train(
    model: keras.Model,
    batches_from: Callable[[int], tf.data.Dataset],
    settings: config.TrainConfig,
    folder: artifact_paths.Path,
    strategy: tf.distribute.Strategy | None = None,
    training: Mapping[str, Any] | None = None,
) -> score.TrainResult:
    """Trains until `settings.steps`, from the newest checkpoint that is whole.

    Args:
        model: made by `mask2former.build` under the strategy's scope.
        batches_from: gives the batches from a step on, see `dataset.train_dataset`.
        folder: of this training alone; gets TensorBoard scalars and checkpoints.
        training: see `unfinished.description`.

    Raises:
        ConfigError: the batch cannot be cut, or the folder holds another training.
        PipelineError: losses are no longer finite, or something cannot be read, saved
            or held in memory.
        Interrupted: SIGTERM came; what was trained is saved, as after Ctrl-C.
    """
    host_memory.share_heaps()
    spread = strategy or make_strategy(settings)
    with spread.scope():
        model_optimizer = optimizer.AdamW(model.trainable_variables, settings)
    step = training_step.TrainingStep(model, model_optimizer, settings, spread)
    saved = checkpoints.Checkpoints(
        state.State(model, model_optimizer), folder / unfinished.CHECKPOINTS, training
    )
    start = _restore(saved, settings, spread)
    drawn = curves.Curves(folder, start, is_kept=cluster.is_chief())
    kept = score.Score(settings, drawn, start, int(model_optimizer.skipped.numpy()))
    with progress.track("Training", total=settings.steps, done=start) as task:
        loop = _Loop(step, batches_from, settings, saved, drawn, kept, task)
        interruption.run(loop)
    drawn.close(kept.result().steps)
    return kept.result()


def _restore(
    saved: checkpoints.Checkpoints,
    settings: config.TrainConfig,
    strategy: tf.distribute.Strategy,
) -> int:
    """Loads what was saved, on all workers alike; the step it is at."""
    tell = progress.tell if cluster.is_chief() else logging.info
    start = saved.restore_latest(tell)
    cluster.require_agreement(strategy, f"{start:x}")
    if start:
        tell(f"going on from step {start} of {settings.steps}")
    logging.info("Training from step %d to %d", start, settings.steps)
    return start


class _Loop:
    """Updates from a step to the last one, with checkpoints; see `Interruptible`.

    Whoever changes or saves the state holds the lock. A step holds it only while it
    changes something, so what is done can be saved while the next step computes.
    """

    def __init__(
        self,
        step: training_step.TrainingStep,
        batches_from: Callable[[int], tf.data.Dataset],
        settings: config.TrainConfig,
        saved: checkpoints.Checkpoints,
        drawn: curves.Curves,
        kept: score.Score,
        task: progress.Task,
    ):
        self._step = step
        self._batches_from = batches_from
        self._settings = settings
        self._saved = saved
        self._drawn = drawn
        self._score = kept
        self._task = task
        self._lock = threading.Lock()
        self._is_stopped = False
        self._is_torn = False  # amid an update: not to be saved
        self._number = kept.result().steps

    def run(self) -> None:
        """Makes the steps.

        Raises:
            PipelineError: see `train`.
        """
        try:
            self._make_steps()
        except BaseException:
            if not self._is_stopped and not self._is_torn:
                with contextlib.suppress(errors.PipelineError):
                    self._save()
            raise

    def stop(self) -> str:
        """See `Interruptible`."""
        with self._lock:
            self._is_stopped = True
            if self._is_torn:
                return "nothing is saved: the last step failed"
            if not cluster.is_chief():
                return "worker 0 saves"
            self._save()
        return f"step {self._number} of {self._settings.steps} is saved"

    def _make_steps(self) -> None:
        with failures.of_reading(self._number):
            examples = self._batches_from(self._number)
            batches = iter(examples)
        spec = {k: v for k, v in examples.element_spec.items() if k not in dataset.TOLD}
        compute = self._step.compute_for(spec)
        while self._number < self._settings.steps and not self._is_stopped:
            with failures.of_reading(self._number):
                batch = next(batches, None)
            if batch is None:
                return
            batch = dict(batch)
            told = {key: batch.pop(key, ()) for key in dataset.TOLD}
            with failures.of_computing(self._number + 1):
                computed = compute(batch)
                values = {key: each.numpy() for key, each in computed.metrics.items()}
            with self._lock:
                if self._is_stopped:
                    return
                self._finish(computed, values, told)

    def _finish(
        self,
        computed: training_step.Computed,
        values: dict[str, np.ndarray],
        told: dict[str, Any],
    ) -> None:
        """Applies what was computed, tells of it, and saves when that is due."""
        number = self._number + 1
        self._is_torn = True
        with failures.of_computing(number):
            self._step.finish(computed)
        self._number = number
        images = np.asarray(told[_IMAGES]).tolist()
        self._score.tell_of_cap(np.asarray(told[_LEFT_OUT]), images)
        self._score.record(number, values, images)  # what must not go on is not saved
        self._is_torn = False
        self._task.advance(note=self._score.note)
        is_last = number == self._settings.steps
        if is_last or number % self._settings.checkpoint_steps == 0:
            self._save()

    def _save(self) -> None:
        if cluster.is_chief():
            self._drawn.flush(self._number)
            self._saved.save()
