import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from model import config
from model.network import swin

pytestmark = pytest.mark.onednn

SMALL = {"channels": 4, "depths": (2, 2, 2, 2), "heads": (1, 2, 2, 4), "window": 3}


def layer(**changes):
    made = swin.Swin(**{**SMALL, **changes}, name="backbone")
    made.build((None, None, None, 3))
    return made


def randomised(made):
    """Weights large enough that every part of an image matters."""
    random = np.random.default_rng(2)
    for weight in made.weights:
        weight.assign(weight + 0.3 * random.normal(size=weight.shape))
    return made


def images(count=2, height=64, width=48):
    return tf.random.stateless_normal([count, height, width, 3], [0, 1])


# torchvision's swin_t, swin_s and swin_b and timm's large one, with windows of 7 and a
# classifier of 1000 classes after a norm: 1000 * (8C + 1) + 16C. The norms of the four
# features have 30C.
@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("swin_tiny", 28_288_354),
        ("swin_small", 49_606_258),
        ("swin_base", 87_768_224),
        ("swin_large", 196_532_476),
    ],
)
def test_parameters_are_as_many_as_published(name, published):
    made = swin.Swin.from_settings(config.BackboneConfig(name=name))
    with keras.StatelessScope(initialize_variables=False):  # shapes alone
        made.build((None, None, None, 3))
    size = swin.SIZES[name]
    classifier = 1000 * (8 * size.channels + 1) + 16 * size.channels
    heads = sum(d * h for d, h in zip(size.depths, size.heads, strict=True))
    places = (2 * size.window - 1) ** 2 - 13**2  # biases of larger windows
    expected = published - classifier + heads * places + 30 * size.channels
    assert sum(math.prod(weight.shape) for weight in made.weights) == expected


@pytest.mark.parametrize(
    ("sides", "found"),
    [
        ((64, 96), [(16, 24), (8, 12), (4, 6), (2, 3)]),
        ((61, 37), [(16, 10), (8, 5), (4, 3), (2, 2)]),  # rounded up each time
    ],
)
def test_features_have_strides_4_to_32_and_doubling_channels(sides, found):
    features = layer()(images(1, *sides))
    expected = [(1, *side, 4 * 2**n) for n, side in enumerate(found)]
    assert [tuple(each.shape) for each in features] == expected


def test_every_second_block_is_shifted_by_half_a_window():
    made = swin.Swin.from_settings(config.BackboneConfig(name="swin_base"))
    shifts = [[b.attention.shift for b in stage.blocks] for stage in made.stages]
    assert shifts == [[0, 6], [0, 6], [0, 6] * 9, [0, 6]]


def test_features_are_normalised_but_not_what_the_next_stage_gets():
    made = randomised(layer())
    before = made(images())
    made.stages[0].norm.gamma.assign([2.0] * 4)
    made.stages[0].norm.beta.assign([1.0] * 4)
    after = made(images())
    np.testing.assert_allclose(
        tf.math.reduce_std((after[0] - 1.0) / 2.0, axis=-1), 1.0, atol=1e-2
    )
    for one, other in zip(before[1:], after[1:], strict=True):
        tf.debugging.assert_equal(one, other)


def test_images_of_a_batch_do_not_influence_each_other():
    made = randomised(layer())
    for both, one in zip(made(images()), made(images()[1:]), strict=True):
        np.testing.assert_allclose(both[1:], one, atol=1e-4)


def test_sizes_known_only_when_run_give_the_same():
    made = randomised(layer())
    signature = [tf.TensorSpec([None, None, None, 3])]
    call = tf.function(lambda batch: made(batch), input_signature=signature)
    for height, width in ((64, 96), (32, 32), (45, 50)):
        batch = images(1, height, width)
        for found, expected in zip(call(batch), made(batch), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-4)


def test_every_weight_gets_a_gradient():
    made = randomised(layer())
    with tf.GradientTape() as tape:
        loss = tf.add_n([tf.reduce_sum(f**3) for f in made(images(), training=True)])
    gradients = tape.gradient(loss, [weight.value for weight in made.weights])
    assert len(made.trainable_weights) == len(made.weights)
    for weight, gradient in zip(made.weights, gradients, strict=True):
        # A key's bias moves all scores alike: zero but for rounding.
        if not weight.path.endswith("key/bias"):
            assert float(tf.reduce_max(tf.abs(gradient))) > 1e-4, weight.path


@pytest.mark.parametrize(
    ("trained", "first"), [(5, "stem"), (4, "stage_1"), (2, "stage_3"), (0, None)]
)
def test_only_the_last_stages_are_trained(trained, first):
    made = layer(trained_stages=trained)
    paths = [weight.path.split("/")[1] for weight in made.trainable_weights]
    assert (paths[0] if paths else None) == first
    assert made.trained_stages == trained


def test_branches_are_dropped_more_often_the_later_they_come():
    made = layer(drop_path=0.35)
    # Eight blocks of two branches each.
    kept = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65]
    assert made.keep_rates == pytest.approx(np.repeat(kept, 2))
    assert [b.keep_rate for s in made.stages for b in s.blocks] == pytest.approx(kept)
    assert layer().keep_rates == ()


def test_what_is_dropped_is_dropped_in_its_own_block():
    made = randomised(layer(drop_path=0.35))
    everything = np.ones([2, 16], bool)
    others = everything.copy()
    others[1, 2 * 5 :] = False  # of the second image, from the last block of stage 3
    one, other = (
        made(images(), training=True, kept=tf.constant(k)) for k in (everything, others)
    )
    for stage in (0, 1):
        tf.debugging.assert_equal(one[stage], other[stage])
    for stage in (2, 3):
        np.testing.assert_allclose(one[stage][0], other[stage][0], atol=1e-4)
        assert float(tf.norm(one[stage][1] - other[stage][1])) > 0.1


def test_layer_can_be_made_again_from_its_config():
    made = layer(trained_stages=3, drop_path=0.2)
    twin = swin.Swin.from_config(made.get_config())
    twin.build((None, None, None, 3))
    assert [w.shape for w in twin.weights] == [w.shape for w in made.weights]
    assert len(twin.trainable_weights) == len(made.trainable_weights)
    assert twin.keep_rates == made.keep_rates


def test_bfloat16_features_are_those_of_float32_within_its_precision():
    full, half = randomised(layer()), layer(dtype="mixed_bfloat16")
    for weight, other in zip(half.weights, full.weights, strict=True):
        weight.assign(other.value)
    for low, high in zip(half(images()), full(images()), strict=True):
        assert low.dtype == tf.bfloat16
        error = tf.norm(tf.cast(low, tf.float32) - high) / tf.norm(high)
        assert float(error) < 0.05
