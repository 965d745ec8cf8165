"""A training of two numbers, for what does not depend on the network."""

import contextlib
import resource

import keras
import pytest

from model import config
from model.train import optimizer, state


class Small:
    """Some weights with their optimizer and state."""

    def __init__(self, seed=0, extras=None):
        keras.utils.set_random_seed(seed)
        self.model = keras.Sequential(
            [keras.layers.Dense(3, name="dense")], name="small"
        )
        self.model.build([None, 2])
        weights = self.model.trainable_variables
        self.adamw = optimizer.AdamW(weights, config.TrainConfig())
        self.state = state.State(self.model, self.adamw, extras)

    def variables(self):
        moments = [*self.adamw.first_moments, *self.adamw.second_moments]
        return [*self.model.variables, *moments]

    def change(self, step):
        for number, variable in enumerate(self.variables()):
            variable.assign(variable * 0 + step + number / 8)
        self.adamw.step.assign(step)


@pytest.fixture
def small():
    """The class of such a training."""
    return Small


@pytest.fixture
def smallest_files():
    """Within its block files end after a few bytes, as on a disk that is full."""

    @contextlib.contextmanager
    def limited():
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
