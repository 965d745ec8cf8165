import keras
import numpy as np
import pytest
import tensorflow as tf

from model import config
from model.train import optimizer


def _variable(value, path="head/kernel"):
    folder, _, name = path.rpartition("/")
    variable = keras.Variable(np.asarray(value, np.float32), name=name)
    variable._path = f"{folder}/{name}"
    return variable


def _settings(**changes):
    values = {"warmup_steps": 0, "milestones": (), "clip_norm": 1e9}
    return config.TrainConfig(**{**values, **changes})


def _apply(adamw, variables, gradients):
    tensors = [tf.constant(gradient, tf.float32) for gradient in gradients]
    return adamw.apply(tensors, variables, tf.distribute.get_strategy())


def test_updates_are_those_of_the_published_formula():
    settings = _settings(learning_rate=0.1, weight_decay=0.05)
    variable = _variable([1.0, -2.0, 3.0])
    adamw = optimizer.AdamW([variable], settings)
    weight, first, second = np.array([1.0, -2.0, 3.0]), 0.0, 0.0
    rng = np.random.default_rng(0)
    for step in range(1, 6):
        gradient = rng.normal(size=3) * [1.0, 1e-4, 1e-8]  # epsilon matters in the last
        _apply(adamw, [variable], [gradient])
        weight = weight * (1 - 0.1 * 0.05)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        corrected = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        weight = weight - 0.1 * first / (1 - 0.9**step) / corrected
    np.testing.assert_allclose(variable, weight, rtol=1e-4)
    assert int(adamw.step) == 5


def test_gradients_are_clipped_by_their_global_norm():
    variables = [_variable([0.0]), _variable([0.0])]
    adamw = optimizer.AdamW(variables, _settings(clip_norm=1.0))
    norm = _apply(adamw, variables, [[3.0], [4.0]])
    assert float(norm) == pytest.approx(5.0)
    found = [float(moment[0]) for moment in adamw.first_moments]
    assert found == pytest.approx([0.1 * 3 / 5, 0.1 * 4 / 5], rel=1e-5)


def test_small_gradients_are_left_alone():
    variable = _variable([0.0])
    adamw = optimizer.AdamW([variable], _settings(clip_norm=1.0))
    _apply(adamw, [variable], [[0.5]])
    assert float(adamw.first_moments[0][0]) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("path", "multiplier", "decay"),
    [
        ("mask2former/backbone/res2/block_0/conv_1/kernel", 0.1, 0.05),
        ("mask2former/backbone/stem/norm/gamma", 0.1, 0.0),
        ("mask2former/backbone/stage_1/norm/beta", 0.1, 0.0),
        (
            "mask2former/backbone/stage_1/block_0/attention/relative_position_bias",
            0.1,
            0.0,
        ),
        ("mask2former/backbone/stage_1/block_0/attention/query/bias", 0.1, 0.05),
        ("mask2former/pixel_decoder/level_embedding", 1.0, 0.05),
        ("mask2former/pixel_decoder/input_0/norm/beta", 1.0, 0.0),
        ("mask2former/pixel_decoder/encoder_0/feedforward_1/bias", 1.0, 0.05),
        ("mask2former/decoder/level_embedding", 1.0, 0.0),
        ("mask2former/decoder/query_features", 1.0, 0.0),
        ("mask2former/decoder/query_positions", 1.0, 0.0),
        ("mask2former/decoder/block_0/self_attention/key/bias", 1.0, 0.05),
        ("mask2former/decoder/norm/gamma", 1.0, 0.0),
    ],
)
def test_groups_are_those_of_the_recipe(path, multiplier, decay):
    assert optimizer.group(path, config.TrainConfig()) == (multiplier, decay)


def test_the_backbone_moves_at_its_own_rate():
    variables = [_variable([0.0], "m/backbone/kernel"), _variable([0.0])]
    adamw = optimizer.AdamW(variables, _settings(learning_rate=0.1))
    _apply(adamw, variables, [[1.0], [1.0]])
    found = [float(variable[0]) for variable in variables]
    assert found == pytest.approx([-0.01, -0.1], rel=1e-4)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.25), (1, 0.5), (3, 1.0), (799, 1.0), (800, 0.1), (899, 0.1), (900, 0.01)],
)
def test_step_schedule_warms_up_and_falls_at_its_milestones(step, rate):
    settings = _settings(
        learning_rate=1.0, steps=1000, warmup_steps=4, milestones=(0.8, 0.9)
    )
    found = optimizer.learning_rate(tf.constant(step, tf.int64), settings)
    assert float(found) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 1.0), (250, 0.853553), (500, 0.5), (1000, 0.0)]
)
def test_cosine_schedule_falls_to_zero(step, rate):
    settings = _settings(learning_rate=1.0, steps=1000, schedule="cosine")
    found = optimizer.learning_rate(tf.constant(step, tf.int64), settings)
    assert float(found) == pytest.approx(rate, abs=1e-5)
