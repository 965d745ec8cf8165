import math

import numpy as np
import pytest
import tensorflow as tf

from model.network import deformable_attention

pytestmark = pytest.mark.onednn

_SHAPES = [(2, 3), (4, 6)]


def _brute_force(values, x_px, y_px, weights):
    """The formula, sample by sample and corner by corner."""
    batch, _, heads, channels = values.shape
    samples = x_px.shape[-1]
    output = np.zeros([batch, x_px.shape[1], heads, channels])
    starts = [0, _SHAPES[0][0] * _SHAPES[0][1]]
    for place in np.ndindex(x_px.shape):
        image, token, head, sample = place
        level = sample // (samples // len(_SHAPES))
        height, width = _SHAPES[level]
        x, y = x_px[place], y_px[place]
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x), math.floor(x) + 1):
                if 0 <= row < height and 0 <= column < width:
                    near = (1 - abs(y - row)) * (1 - abs(x - column))
                    pixel = values[image, starts[level] + row * width + column, head]
                    output[image, token, head] += weights[place] * near * pixel
    return output


def _arguments():
    rng = np.random.default_rng(0)
    values = rng.normal(size=[2, 30, 2, 4]).astype(np.float32)
    x_px = rng.uniform(-2, 7, [2, 5, 2, 6]).astype(np.float32)
    y_px = rng.uniform(-2, 5, [2, 5, 2, 6]).astype(np.float32)
    weights = rng.uniform(size=[2, 5, 2, 6]).astype(np.float32)
    return values, x_px, y_px, weights


def test_samples_are_those_of_brute_force_inside_and_outside_the_maps():
    arguments = _arguments()
    found = deformable_attention.sample_levels(*arguments, tf.constant(_SHAPES))
    np.testing.assert_allclose(found, _brute_force(*arguments), atol=1e-5)


def test_gradients_of_sampling_are_those_of_finite_differences():
    values, x_px, y_px, weights = _arguments()

    def sampled_sum(x_px, y_px, weights):
        found = deformable_attention.sample_levels(
            tf.constant(values), x_px, y_px, weights, tf.constant(_SHAPES)
        )
        return tf.reduce_sum(found[:, 1])  # one token, to keep it short

    arguments = [tf.constant(a[:1, :2]) for a in (x_px, y_px, weights)]
    values = values[:1]
    theory, numbers = tf.test.compute_gradient(sampled_sum, arguments, delta=1e-2)
    for expected, number in zip(theory, numbers, strict=True):
        np.testing.assert_allclose(expected, number, atol=2e-2)


def test_four_heads_start_towards_the_sides_one_pixel_further_per_point():
    ring = deformable_attention.ring_offsets(4, 3, 2).reshape(4, 3, 2, 2)
    directions = [[1, 0], [0, 1], [-1, 0], [0, -1]]  # x, y
    for level in range(3):
        np.testing.assert_allclose(ring[:, level, 0], directions, atol=1e-6)
        np.testing.assert_allclose(
            ring[:, level, 1], 2 * np.array(directions), atol=1e-6
        )


def test_eight_heads_start_towards_corners_of_a_square_too():
    ring = deformable_attention.ring_offsets(8, 1, 1).reshape(8, 2)
    np.testing.assert_allclose(ring[1], [1, 1], atol=1e-6)
    np.testing.assert_allclose(ring[5], [-1, -1], atol=1e-6)


def _references() -> tf.Tensor:
    """Pixel centres of both maps, float32 [30, 2]."""
    return tf.constant(
        [
            [(x + 0.5) / width, (y + 0.5) / height]
            for height, width in _SHAPES
            for y in range(height)
            for x in range(width)
        ]
    )


def _call(layer, queries, tokens):
    return layer(queries, tokens, _references(), tf.constant(_SHAPES))


def test_layer_at_its_start_averages_the_ring_around_every_pixel():
    layer = deformable_attention.DeformableAttention(4, 2, 1)
    tokens = tf.random.stateless_normal([1, 30, 8], [0, 1])
    _call(layer, tokens, tokens)
    for projection in (layer.values, layer.outputs):
        projection.kernel.assign(np.eye(8))
    found = _call(layer, tokens, tokens).numpy()[0]
    # Token at row 1, column 2 of the second level; its place in the first level is
    # (2.5 / 6 * 3 - 0.5, 1.5 / 4 * 2 - 0.5) = (0.75, 0.25); head 0 looks 1 px right.
    first = tokens.numpy()[0, :6, :2].reshape(2, 3, 2)
    second = tokens.numpy()[0, 6:, :2].reshape(4, 6, 2)
    row_0 = 0.25 * first[0, 1] + 0.75 * first[0, 2]
    row_1 = 0.25 * first[1, 1] + 0.75 * first[1, 2]
    expected = 0.5 * (0.75 * row_0 + 0.25 * row_1) + 0.5 * second[1, 3]
    np.testing.assert_allclose(found[6 + 6 + 2, :2], expected, atol=1e-5)


def test_layer_with_any_weights_is_the_formula():
    layer = deformable_attention.DeformableAttention(2, 2, 3)
    tokens = tf.random.stateless_normal([1, 30, 8], [0, 1])
    queries = tf.random.stateless_normal([1, 30, 8], [2, 3])
    _call(layer, queries, tokens)
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))

    def applied(projection, rows):
        return rows @ projection.kernel.numpy() + projection.bias.numpy()

    # Published weights hold x and y of a sample one after the other.
    offsets = applied(layer.offsets, queries.numpy()).reshape(1, 30, 2, 6, 2)
    scores = np.exp(applied(layer.scores, queries.numpy()).reshape(1, 30, 2, 6))
    weights = scores / scores.sum(-1, keepdims=True)
    places = np.zeros_like(offsets)
    for level, (height, width) in enumerate(_SHAPES):
        size = np.array([width, height])
        mine = slice(3 * level, 3 * level + 3)
        centres = _references().numpy()[np.newaxis, :, np.newaxis, np.newaxis] * size
        places[..., mine, :] = centres + offsets[..., mine, :] - 0.5
    values = applied(layer.values, tokens.numpy()).reshape(1, 30, 2, 4)
    sums = _brute_force(values, places[..., 0], places[..., 1], weights)
    expected = applied(layer.outputs, sums.reshape(1, 30, 8))
    np.testing.assert_allclose(_call(layer, queries, tokens), expected, atol=1e-4)


def test_every_weight_gets_a_gradient():
    layer = deformable_attention.DeformableAttention(2, 2, 2)
    tokens = tf.random.stateless_normal([2, 30, 8], [0, 1])
    _call(layer, tokens, tokens)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(_call(layer, tokens, tokens) ** 2)
    weights = [weight.value for weight in layer.trainable_weights]
    for gradient in tape.gradient(loss, weights):
        assert float(tf.reduce_max(tf.abs(gradient))) > 0


def test_places_that_are_not_numbers_reach_the_output_instead_of_failing():
    values, x_px, y_px, weights = _arguments()
    x_px[0, 0, 0, 0] = math.nan
    found = deformable_attention.sample_levels(
        values, x_px, y_px, weights, tf.constant(_SHAPES)
    )
    assert np.isnan(found[0, 0, 0]).all()
    assert np.isfinite(found[1]).all()
