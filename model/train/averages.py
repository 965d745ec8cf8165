"""Exponential moving averages of the weights: smoother than those of any one step."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


class Averages:
    """Averages of all that training changes; an `Extra` of the training's state.

    After n updates an average a of a weight w becomes d a + (1 - d) w, where
    d = min(decay, (1 + n) / (10 + n)): the first updates are forgotten soon, as in
    TensorFlow's ExponentialMovingAverage.

    Args:
        averaged: weights, and what batch normalisation keeps.
        decay: in (0, 1); 1 / (1 - decay) is about how many updates are averaged.
    """

    def __init__(self, averaged: Sequence[keras.Variable], decay: float):
        self._decay = decay
        self._averaged = list(averaged)
        self.variables: Mapping[str, tf.Variable] = {
            each.path: tf.Variable(each.value, trainable=False)
            for each in self._averaged
        }
        self._raw: list[np.ndarray] | None = None

    def update(self, updates: tf.Tensor, strategy: tf.distribute.Strategy) -> None:
        """Takes the weights of the moment into the averages.

        Args:
            updates: [], how many were made so far.
        """
        count = tf.cast(updates, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + count) / (10.0 + count))
        for weight in self._averaged:
            average = self.variables[weight.path]
            strategy.extended.update(average, _mix, args=(weight.value, 1.0 - decay))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averages for weights while the block runs."""
        self.swap_in()
        try:
            yield
        finally:
            self.swap_out()

    def swap_in(self) -> None:
        """Puts the averages in the place of the weights, which are kept."""
        if self._raw is None:
            self._raw = [weight.numpy() for weight in self._averaged]
            for weight in self._averaged:
                weight.assign(self.variables[weight.path].read_value())

    def swap_out(self) -> None:
        """Puts the weights back, if they are not in their place."""
        if self._raw is not None:
            for weight, raw in zip(self._averaged, self._raw, strict=True):
                weight.assign(raw)
            self._raw = None

    def facts(self) -> Any:
        """See `state.Extra`."""
        return {"decay": self._decay}

    def take(self, facts: Any) -> None:
        """See `state.Extra`; the decay is part of the configuration."""


def _mix(average: tf.Variable, weight: tf.Tensor, share: tf.Tensor) -> None:
    average.assign_add((tf.cast(weight, average.dtype) - average) * share)
