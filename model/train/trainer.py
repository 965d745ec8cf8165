"""The training loop."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from foundation import artifact_paths, progress
from model import config
from model.evaluation import judge
from model.train import (
    checkpoints,
    cluster,
    cost,
    curves,
    host_memory,
    interruption,
    loop,
    parts,
    score,
    unfinished,
    validation,
)


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
    ask: Callable[[], judge.Judgement] | None = None,
    class_weights: Sequence[float] = (),
) -> score.TrainResult:
    """Trains until `settings.num_steps`, from the newest checkpoint that is whole.

    At the end the model has the weights of the best step, if they were judged, and
    their averages in their place if there are any.

    Args:
        model: made by `mask2former.build` under the strategy's scope.
        batches_from: gives the batches from a step on, see `dataset.train_dataset`.
        folder: of this training alone; gets TensorBoard scalars and checkpoints.
        training: see `unfinished.description`.
        ask: scores the model as it is when it is called; None judges no step.
        class_weights: in the class loss, see `balance.class_weights`.

    Raises:
        ConfigError: the batch cannot be cut into equal parts, or the folder holds
            another training.
        PipelineError: losses are no longer finite, or something cannot be read, saved
            or held in memory.
        Interrupted: SIGTERM came; what was trained is saved.
        KeyboardInterrupt: likewise, after Ctrl-C.
    """
    host_memory.share_heaps()
    spread = strategy or make_strategy(settings)
    trained = parts.Parts.made_for(model, settings, spread, ask, class_weights)
    checkpoint_dir = folder / unfinished.CHECKPOINTS
    saved = checkpoints.Checkpoints(trained.state, checkpoint_dir, training)
    result = _run(trained, batches_from, settings, folder, saved)
    return _with_best(trained, saved, result)


def _with_best(
    trained: parts.Parts, saved: checkpoints.Checkpoints, result: score.TrainResult
) -> score.TrainResult:
    """Gives the model its best weights; what came of the training."""
    last = trained.validation.rows[-1:] if trained.validation else []
    best = _take_best(trained, saved)
    spent = cost.summary(trained.meter.facts())
    final = next(iter(last), None)
    return dataclasses.replace(result, exported=best, last=final, cost=spent)


def _run(
    trained: parts.Parts,
    batches_from: Callable[[int], tf.data.Dataset],
    settings: config.TrainConfig,
    folder: artifact_paths.Path,
    saved: checkpoints.Checkpoints,
) -> score.TrainResult:
    """Goes on from what was saved, to the end."""
    start = _restored(saved, settings, trained.strategy)
    drawn = curves.Curves(folder, start, is_kept=cluster.is_chief())
    skipped = int(trained.optimizer.skipped.read_value())
    kept = score.Score(settings, drawn, start, skipped)
    with progress.track("Training", total=settings.num_steps, done=start) as task:
        steps = (batches_from, settings, folder, saved, drawn, kept, task)
        interruption.run(loop.Loop(trained, *steps))
    drawn.close(kept.result().steps)
    return kept.result()


def _restored(
    saved: checkpoints.Checkpoints,
    settings: config.TrainConfig,
    strategy: tf.distribute.Strategy,
) -> int:
    """Loads the newest checkpoint and tells of it; the step that it is of."""
    tell = progress.tell if cluster.is_chief() else logging.info
    start = saved.restore_latest(tell)
    cluster.require_agreement(strategy, f"{start:x}")
    if start:
        tell(f"going on from step {start} of {settings.num_steps}")
    logging.info("Training from step %d to %d", start, settings.num_steps)
    return start


def _take_best(
    trained: parts.Parts, saved: checkpoints.Checkpoints
) -> validation.Row | None:
    """Gives the model its best weights; the step they are of, if steps were judged."""
    followed = trained.validation
    best = followed.best if followed else None
    if followed and best and best.step != trained.state.step:
        last = followed.rows[-1]
        if saved.restore(best.step):
            progress.tell(
                f"the weights of step {best.step} are taken, mask AP "
                f"{best.mask_ap:.3f}; the last, of step {last.step}, have "
                f"{last.mask_ap:.3f}"
            )
        else:
            progress.tell(
                f"the checkpoint of step {best.step}, the best, is damaged or gone; "
                f"the last weights are taken, of step {last.step}"
            )
            best = last
    if trained.averages is not None:
        trained.averages.swap_in()
    return best
