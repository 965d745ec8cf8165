"""What changes in the course of a training, made to fit each other."""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from model import config
from model.evaluation import judge
from model.train import (
    averages,
    cluster,
    cost,
    host_memory,
    optimizer,
    state,
    training_step,
    validation,
)


@dataclasses.dataclass(frozen=True)
class Parts:
    """What changes in the course of a training."""

    strategy: tf.distribute.Strategy
    optimizer: optimizer.AdamW
    averages: averages.Averages | None
    validation: validation.Validation | None
    meter: cost.Meter
    step: training_step.TrainingStep
    state: state.State

    @classmethod
    def made_for(
        cls,
        model: keras.Model,
        settings: config.TrainConfig,
        strategy: tf.distribute.Strategy,
        ask: Callable[[], judge.Judgement] | None,
        class_weights: Sequence[float] = (),
    ) -> "Parts":
        with strategy.scope():
            adamw = optimizer.AdamW(
                model.trainable_variables, settings, model.backbone.part_names
            )
            averaged = None
            if settings.ema_decay:
                statistics = training_step.statistics_of(model)
                averaged = averages.Averages(
                    [*model.trainable_variables, *statistics], settings.ema_decay
                )
        followed = None
        if ask is not None and settings.validation.every_steps:
            followed = validation.Validation(settings.validation, ask)
        meter = _meter(strategy)
        step = training_step.TrainingStep(
            model, adamw, settings, strategy, averaged, class_weights, meter
        )
        extras = {"averages": averaged, "validation": followed, "cost": meter}
        known = {name: extra for name, extra in extras.items() if extra is not None}
        kept = state.State(model, adamw, known)
        return cls(strategy, adamw, averaged, followed, meter, step, kept)


def _meter(strategy: tf.distribute.Strategy) -> cost.Meter:
    """Begins to measure."""
    host_memory.forget_peaks()
    return cost.Meter(
        strategy.num_replicas_in_sync,
        cluster.replicas_here(strategy),
        lambda: cost.Peaks(host_memory.peak(), host_memory.device_peak()),
    )
