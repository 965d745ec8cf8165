"""The training loop."""

import dataclasses
import logging
import math
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from foundation import artifact_paths, errors, progress
from model import config
from model.loss import criterion
from model.train import checkpoints, cluster, host_memory, optimizer, training_step


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        steps: updates made, those before a resume included.
        losses: last values of `total`, `class`, `mask` and `dice`, summed over the
            supervised predictions.
        nonfinite_costs: matching costs that were not finite, since the (re)start.
        seconds: duration since the (re)start.
    """

    steps: int
    losses: dict[str, float]
    nonfinite_costs: int
    seconds: float


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
    run_dir: artifact_paths.Path,
    strategy: tf.distribute.Strategy | None = None,
    checkpoint_dir: artifact_paths.Path | None = None,
) -> TrainResult:
    """Trains until `settings.steps`, from the newest checkpoint there is.

    Args:
        model: made by `mask2former.build` under the strategy's scope.
        batches_from: gives the batches from a step on, see `dataset.train_dataset`.
        run_dir: gets TensorBoard scalars.
        checkpoint_dir: where checkpoints are; `run_dir/checkpoints` if left out.

    Raises:
        ConfigError: the batch cannot be cut into equal parts.
        PipelineError: a loss is no longer finite.
    """
    host_memory.share_heaps()
    spread = strategy or make_strategy(settings)
    with spread.scope():
        model_optimizer = optimizer.AdamW(model.trainable_variables, settings)
    step = training_step.TrainingStep(model, model_optimizer, settings, spread)
    folder = checkpoint_dir or run_dir / "checkpoints"
    saved = checkpoints.Checkpoints(model, model_optimizer, folder)
    start = saved.restore_latest()
    logging.info("Training from step %d to %d", start, settings.steps)
    run = _Run(settings, run_dir, start)
    _make_steps(step, batches_from(start), run, saved, settings, start)
    run.close()
    return run.result()


def _make_steps(
    step: training_step.TrainingStep,
    batches: tf.data.Dataset,
    run: "_Run",
    saved: checkpoints.Checkpoints,
    settings: config.TrainConfig,
    start: int,
) -> None:
    """Updates from `start` to the last step, with a bar and checkpoints."""
    with progress.track("Training", total=settings.steps) as task:
        task.advance(start)
        update = step.update_for(batches.element_spec)
        for number, batch in enumerate(batches, start=start + 1):
            if number > settings.steps:
                break
            run.record(number, update(batch))
            task.advance(note=run.note)
            due = number % settings.checkpoint_steps == 0 or number == settings.steps
            if due and cluster.is_chief():
                saved.save()


class _Run:
    """Keeps score of a run: losses, speed, TensorBoard."""

    def __init__(
        self, settings: config.TrainConfig, run_dir: artifact_paths.Path, start: int
    ):
        self.note = ""
        self._settings = settings
        if cluster.is_chief():
            self._writer = tf.summary.create_file_writer(str(run_dir))
        else:
            self._writer = tf.summary.create_noop_writer()
        self._steps = start
        self._losses: dict[str, float] = {}
        self._nonfinite_costs = 0
        self._begun = time.monotonic()
        self._logged = (start, self._begun)

    def record(self, number: int, metrics: dict[str, tf.Tensor]) -> None:
        """Takes note of a finished step.

        Raises:
            PipelineError: a loss is not finite.
        """
        values = {key: value.numpy() for key, value in metrics.items()}
        losses = {term: float(np.sum(values[term])) for term in criterion.TERMS}
        bad = [term for term, loss in losses.items() if not math.isfinite(loss)]
        if bad:
            raise errors.PipelineError(
                f"training stopped at step {number}: the {' and '.join(bad)} loss is "
                f"{losses[bad[0]]}. Lower train.learning_rate or train.clip_norm, or "
                "set train.precision to float32; the last checkpoint is intact."
            )
        self._steps = number
        self._losses = {"total": sum(losses.values()), **losses}
        self._nonfinite_costs += int(values["nonfinite_costs"])
        if number % self._settings.log_steps == 0 or number == self._settings.steps:
            self._log(number, values)

    def _log(self, number: int, values: dict[str, np.ndarray]) -> None:
        now = time.monotonic()
        steps, since = number - self._logged[0], now - self._logged[1]
        self._logged = (number, now)
        speed = steps * self._settings.batch_size / max(since, 1e-9)
        self.note = f"loss {self._losses['total']:.2f}  img/s {speed:.0f}"
        scalars: dict[str, float | np.ndarray] = {
            f"loss/{term}": loss for term, loss in self._losses.items()
        }
        for term in criterion.TERMS:
            scalars[f"loss_last_layer/{term}"] = values[term][-1]
        scalars["learning_rate"] = values["learning_rate"]
        scalars["gradient_norm"] = values["gradient_norm"]
        scalars["images_per_second"] = speed
        scalars["nonfinite_costs"] = self._nonfinite_costs
        with self._writer.as_default(step=number):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)

    def close(self) -> None:
        """Writes what TensorBoard has not got yet."""
        self._writer.close()

    def result(self) -> TrainResult:
        """What `train` returns."""
        seconds = time.monotonic() - self._begun
        return TrainResult(self._steps, self._losses, self._nonfinite_costs, seconds)
