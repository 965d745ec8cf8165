import numpy as np
import pytest
import tensorflow as tf


class Average:
    def __init__(self):
        self.variables = {"shadow": tf.Variable([1.0, 2.0])}
        self.taken = None

    def facts(self):
        return {"decay": 0.5}

    def take(self, facts):
        self.taken = facts


def test_the_step_is_the_optimizers(small):
    training = small()
    training.adamw.step.assign(7)
    assert training.state.step == 7


def test_extras_give_and_take_their_facts_by_name(small):
    average = Average()
    state = small(extras={"ema": average}).state
    assert state.facts() == {"ema": {"decay": 0.5}}
    state.take({"ema": {"decay": 0.25}})
    assert average.taken == {"decay": 0.25}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_moment_or_extra_that_is_not_finite_is_named(small, value):
    average = Average()
    training = small(extras={"ema": average})
    assert training.state.nonfinite() == []
    training.model.variables[1].assign([0.0, value, 0.0])
    training.adamw.second_moments[0].assign(np.full([2, 3], value, np.float32))
    average.variables["shadow"].assign([value, 0.0])
    path = training.model.variables[1].path
    assert training.state.nonfinite() == [path, "second_moments/0", "ema/shadow"]


def test_large_weights_whose_sum_is_infinite_are_finite(small):
    training = small()
    training.model.variables[0].assign(np.full([2, 3], 3e38, np.float32))
    assert training.state.nonfinite() == []
