import math

import numpy as np
import pytest
import tensorflow as tf

from model.network import swin_block

pytestmark = pytest.mark.onednn

CHANNELS = 4


def block(keep_rate=1.0, shift=0):
    made = swin_block.Block(CHANNELS, 2, 2, shift, keep_rate)
    made.build((None, None, None, CHANNELS))
    random = np.random.default_rng(1)
    for weight in made.weights:
        weight.assign(random.normal(size=weight.shape))
    return made


def pixels(count=2, height=4, width=4, channels=CHANNELS):
    return tf.random.stateless_normal([count, height, width, channels], [0, 1])


def _standardised(values, norm):
    centred = values - values.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(values.var(axis=-1, keepdims=True) + 1e-5)
    return scaled * norm.gamma.numpy() + norm.beta.numpy()


def test_both_branches_see_normalised_pixels_and_are_added():
    made, inputs = block(), pixels()
    apart = tf.zeros([4, 4, 4], tf.bool)
    normed = _standardised(inputs.numpy(), made.attention_norm)
    between = inputs + made.attention(tf.constant(normed, tf.float32))
    normed = _standardised(between.numpy(), made.feedforward_norm)
    first, second = made.feedforward
    inside = normed @ first.kernel.numpy() + first.bias.numpy()
    inside *= 0.5 * (1 + np.vectorize(math.erf)(inside / math.sqrt(2)))  # exact GELU
    expected = between + inside @ second.kernel.numpy() + second.bias.numpy()
    np.testing.assert_allclose(made(inputs, apart), expected, atol=1e-4)


def test_a_dropped_branch_adds_nothing_and_a_kept_one_stands_for_it():
    made, inputs = block(keep_rate=0.8), pixels()
    apart = tf.zeros([4, 4, 4], tf.bool)
    kept = tf.constant([[False, False], [True, False]])
    found = made(inputs, apart, kept)
    np.testing.assert_array_equal(found[0], inputs[0])
    whole = made.attention(
        tf.constant(_standardised(inputs.numpy(), made.attention_norm), tf.float32)
    )
    np.testing.assert_allclose(found[1], inputs[1] + whole[1] / 0.8, atol=1e-4)
    # The second branch alone.
    second = made(inputs, apart, tf.constant([[False, True]] * 2)) - inputs
    both = made.feedforward[1](
        made.feedforward[0](
            tf.constant(
                _standardised(inputs.numpy(), made.feedforward_norm), tf.float32
            )
        )
    )
    np.testing.assert_allclose(second, both / 0.8, atol=1e-4)


def test_four_neighbours_are_joined_the_one_below_before_the_one_to_the_right():
    made = swin_block.Merging(8)
    made.build((None, None, None, 1))
    made.reduction.kernel.assign(np.eye(4, 8)[None, None])
    image = tf.constant([[1.0, 10.0], [2.0, 20.0]])[None, :, :, None]
    found = made(image)[0, 0, 0, :4].numpy()
    assert np.argsort(found).tolist() == [0, 1, 2, 3]
    values = np.array([1.0, 2.0, 10.0, 20.0])
    expected = (values - values.mean()) / values.std()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_odd_side_is_merged_with_zeros():
    made = swin_block.Merging(8)
    made.build((None, None, None, 4))
    inputs = pixels(1, 3, 5)
    whole = tf.pad(inputs, [[0, 0], [0, 1], [0, 1], [0, 0]])
    assert made(inputs).shape == (1, 2, 3, 8)
    np.testing.assert_allclose(made(inputs), made(whole), atol=1e-6)


def test_layer_norm_of_a_map_is_that_of_its_pixels():
    made = block()
    found = swin_block.normalised(made.attention_norm, pixels(), False)
    expected = _standardised(pixels().numpy(), made.attention_norm)
    np.testing.assert_allclose(found, expected, atol=1e-5)
