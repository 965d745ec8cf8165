import keras
import numpy as np
import pytest
import tensorflow as tf

from model.train import averages

STRATEGY = tf.distribute.get_strategy()


@pytest.fixture
def model():
    network = keras.Sequential([keras.layers.Dense(1, use_bias=False)])
    network.build([None, 1])
    network.weights[0].assign([[2.0]])
    return network


def average(kept):
    (variable,) = kept.variables.values()
    return float(variable.numpy()[0, 0])


def test_the_average_starts_at_the_weights_and_follows_them(model):
    kept = averages.Averages(model.weights, 0.5)
    assert average(kept) == 2.0
    model.weights[0].assign([[6.0]])
    # (1 + n) / (10 + n) is below a half until n = 8: 0.1 for n = 0.
    kept.update(tf.constant(0), STRATEGY)
    assert average(kept) == pytest.approx(0.1 * 2 + 0.9 * 6)
    kept.update(tf.constant(1000), STRATEGY)
    assert average(kept) == pytest.approx(0.5 * 5.6 + 0.5 * 6)


def test_many_updates_give_the_sum_of_the_definition(model):
    kept = averages.Averages(model.weights, 0.9)
    rng = np.random.default_rng(0)
    expected = 2.0
    for number, value in enumerate(rng.normal(size=60)):
        model.weights[0].assign([[value]])
        kept.update(tf.constant(number, tf.int64), STRATEGY)
        decay = min(0.9, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * value
    assert average(kept) == pytest.approx(expected, rel=1e-5)


def test_in_their_place_the_averages_are_the_weights_and_then_no_more(model):
    kept = averages.Averages(model.weights, 0.5)
    model.weights[0].assign([[6.0]])
    with pytest.raises(ValueError, match="boom"), kept.in_place():
        assert model(np.ones([1, 1])).numpy().item() == 2.0
        kept.swap_in()  # once more changes nothing
        raise ValueError("boom")
    assert model(np.ones([1, 1])).numpy().item() == 6.0
    kept.swap_out()
    assert model(np.ones([1, 1])).numpy().item() == 6.0
    assert average(kept) == 2.0
