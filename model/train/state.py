"""All that a training needs to go on, as one thing that is saved together."""

from collections.abc import Mapping
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from model.train import optimizer


class Extra(Protocol):
    """What else changes in the course of a training, such as an average of weights.

    Attributes:
        variables: saved with the weights, by names of its own.
    """

    variables: Mapping[str, tf.Variable]

    def facts(self) -> Any:
        """What it needs beside its variables, as JSON takes it."""

    def take(self, facts: Any) -> None:
        """Goes on from what `facts` returned when this state was saved."""


class State:
    """Weights, moments and step of a training, and its extras by name."""

    def __init__(
        self,
        model: keras.Model,
        model_optimizer: optimizer.AdamW,
        extras: Mapping[str, Extra] | None = None,
    ):
        # By path: TensorFlow does not see layers that Keras keeps in lists.
        self._weights = {variable.path: variable.value for variable in model.variables}
        self._optimizer = model_optimizer
        self._extras = dict(extras or {})
        variables = {name: dict(e.variables) for name, e in self._extras.items()}
        self.checkpoint = tf.train.Checkpoint(
            weights=self._weights, optimizer=model_optimizer, extras=variables
        )

    @property
    def step(self) -> int:
        """Batches seen so far."""
        return int(self._optimizer.step.read_value())

    def facts(self) -> dict[str, Any]:
        """What the extras need beside their variables."""
        return {name: extra.facts() for name, extra in self._extras.items()}

    def take(self, facts: Mapping[str, Any]) -> None:
        for name, extra in self._extras.items():
            extra.take(facts[name])

    def nonfinite(self) -> list[str]:
        """Names of weights, moments and extras that hold a value that is not finite."""
        named: dict[str, tf.Variable] = dict(self._weights)
        for kind in ("first_moments", "second_moments"):
            moments = getattr(self._optimizer, kind)
            named |= {f"{kind}/{index}": each for index, each in enumerate(moments)}
        for name, extra in self._extras.items():
            named |= {f"{name}/{key}": each for key, each in extra.variables.items()}
        return [
            name for name, variable in named.items() if not _is_finite(variable.numpy())
        ]


def _is_finite(values: np.ndarray) -> bool:
    """Looks at the sum of float values first, which takes no memory."""
    if not np.issubdtype(values.dtype, np.floating):
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())
