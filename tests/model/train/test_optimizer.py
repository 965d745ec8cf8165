import typing

import keras
import numpy as np
import pytest
import tensorflow as tf

from model import config
from model.network import backbones
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


@pytest.mark.parametrize(("step", "rate"), [(0, 0.5), (1, 1.0), (999, 1.0)])
def test_a_constant_schedule_warms_up_and_stays(step, rate):
    settings = _settings(
        learning_rate=1.0,
        steps=1000,
        schedule="constant",
        warmup_steps=2,
        milestones=(0.5,),
    )
    found = optimizer.learning_rate(tf.constant(step, tf.int64), settings)
    assert float(found) == pytest.approx(rate)


@pytest.mark.parametrize(("reference", "rate"), [(0, 0.5), (16, 0.125), (2, 1.0)])
def test_the_rate_is_in_proportion_to_the_batch_on_request(reference, rate):
    settings = _settings(learning_rate=0.5, batch_size=4, scale_lr_for_batch=reference)
    found = optimizer.learning_rate(tf.constant(0, tf.int64), settings)
    assert float(found) == pytest.approx(rate)


def test_each_stage_has_its_share_of_the_rate_of_the_stage_after_it():
    stages = ["stem", "res2", "res3", "res4", "res5"]
    settings = _settings(layer_decay=0.5, backbone_lr_multiplier=0.1)

    def multiplier(path):
        return optimizer.group(path, settings, stages)[0]

    found = [multiplier(f"m/backbone/{name}/kernel") for name in stages]
    assert found == pytest.approx(0.1 * 0.5 ** np.arange(4, -1, -1))
    assert multiplier("m/backbone/norm_of_res2/gamma") == pytest.approx(0.1)
    assert multiplier("m/decoder/stem/kernel") == 1.0


def test_layer_decay_moves_weights_by_the_published_formula():
    paths = ("m/backbone/stem/a", "m/backbone/res2/a", "m/decoder/a")
    variables = [_variable([1.0], path) for path in paths]
    settings = _settings(
        learning_rate=0.1, weight_decay=0.05, layer_decay=0.25, schedule="constant"
    )
    adamw = optimizer.AdamW(variables, settings, ["stem", "res2"])
    _apply(adamw, variables, [[1.0]] * 3)
    # The first update of Adam is the rate itself, after decay.
    rates = 0.1 * np.array([0.1 * 0.25, 0.1, 1.0])
    found = [float(variable[0]) for variable in variables]
    assert found == pytest.approx(1.0 * (1 - rates * 0.05) - rates, rel=1e-5)


_NAMES = typing.get_args(config.BackboneConfig.model_fields["name"].annotation)


@pytest.mark.parametrize("name", _NAMES)
def test_every_weight_of_every_backbone_lies_in_one_of_its_parts(name):
    settings = config.BackboneConfig(name=name)
    backbone = backbones.build(settings, name="backbone")
    backbone.build((None, None, None, 3))
    assert len(set(backbone.part_names)) == 5
    recipe = config.TrainConfig(layer_decay=0.5, backbone_lr_multiplier=1.0)
    found = {
        optimizer.group(weight.path, recipe, backbone.part_names)[0]
        for weight in backbone.trainable_variables
    }
    assert found == {1.0, 0.5, 0.25, 0.125, 0.0625}
    parts = {weight.path.split("/")[1] for weight in backbone.trainable_variables}
    assert parts == set(backbone.part_names)
