import numpy as np
import pytest
import tensorflow as tf

from model.kernels import cell_sampling, compute_target, row_parts, row_sums

pytestmark = pytest.mark.onednn

_SIZES = [(2, 3), (4, 6), (1, 1)]
_BATCH, _TOKENS, _HEADS, _POINTS, _CHANNELS = 2, 5, 2, 2, 3


def _arguments():
    rng = np.random.default_rng(3)
    maps = [
        tf.constant(
            rng.normal(size=[_BATCH, *size, _HEADS, _CHANNELS]).astype(np.float32)
        )
        for size in _SIZES
    ]
    shape = [_BATCH, _TOKENS, _HEADS, len(_SIZES) * _POINTS]
    places = [rng.uniform(-2, 7, shape), rng.uniform(-2, 5, shape), rng.random(shape)]
    return maps, *(tf.constant(each.astype(np.float32)) for each in places)


def _dense(maps, x_px, y_px, weights):
    """The sum over every pixel of every map, weighed by bilinear hats, by autodiff."""
    total = 0.0
    for index, level in enumerate(maps):
        height, width = level.shape[1:3]
        chosen = slice(index * _POINTS, (index + 1) * _POINTS)
        x_distance = x_px[..., chosen, np.newaxis] - np.arange(width, dtype=np.float32)
        y_distance = y_px[..., chosen, np.newaxis] - np.arange(height, dtype=np.float32)
        x_hat = tf.nn.relu(1.0 - tf.abs(x_distance))  # [B, T, heads, P, W]
        y_hat = tf.nn.relu(1.0 - tf.abs(y_distance))
        total += tf.einsum(
            "bthp,bthpy,bthpx,byxhd->bthd", weights[..., chosen], y_hat, x_hat, level
        )
    return total


def _with_gradients(function, arguments):
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = function(*arguments)
        # Every output counts differently, so that no two can be swapped.
        shares = np.arange(1, 1 + np.prod(outputs.shape), dtype=np.float32)
        shares = shares.reshape(outputs.shape)
        loss = tf.reduce_sum(outputs * shares)
    return outputs, tf.nest.flatten(tape.gradient(loss, arguments))


@pytest.mark.parametrize("is_for_xla", [False, True])
@pytest.mark.parametrize("part_bytes", [1, 1 << 20])
def test_sums_and_all_gradients_are_those_of_every_pixel_weighed(
    part_bytes, is_for_xla, monkeypatch
):
    monkeypatch.setattr(row_parts, "PART_BYTES", part_bytes)
    monkeypatch.setattr(row_sums, "PART_BYTES", part_bytes)
    arguments = _arguments()
    with compute_target.for_xla(is_for_xla):
        found, gradients = _with_gradients(cell_sampling.weighted_sums, arguments)
    wanted, wanted_gradients = _with_gradients(_dense, arguments)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    for gradient, other in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=1e-4, atol=1e-3)


def test_on_a_pixel_the_slope_is_that_towards_the_next_one():
    # As PyTorch's grid_sample: the offsets start on whole pixels.
    level = tf.reshape(tf.constant([1.0, 4.0, 9.0]), [1, 1, 3, 1, 1])
    place, zero = tf.constant([[[[1.0]]]]), tf.zeros([1, 1, 1, 1])
    with tf.GradientTape() as tape:
        tape.watch(place)
        sampled = cell_sampling.weighted_sums([level], place, zero, zero + 1.0)
    np.testing.assert_array_equal(sampled, [[[[4.0]]]])
    np.testing.assert_array_equal(tape.gradient(sampled, place), [[[[9.0 - 4.0]]]])


@pytest.mark.parametrize("is_for_xla", [False, True])
def test_a_place_that_is_no_number_reaches_the_sum(is_for_xla):
    maps, x_px, y_px, weights = _arguments()
    with compute_target.for_xla(is_for_xla):
        found = cell_sampling.weighted_sums(maps, x_px * np.nan, y_px, weights)
    assert np.isnan(found).all()


@pytest.mark.parametrize("is_for_xla", [False, True])
@pytest.mark.parametrize("far", [1e9, -1e9, np.inf, -np.inf])
def test_far_outside_there_is_nothing(far, is_for_xla):
    maps, *places, weights = _arguments()
    for axis in range(2):
        moved = list(places)
        moved[axis] += far
        with compute_target.for_xla(is_for_xla):
            arguments = (maps, *moved, weights)
            found, gradients = _with_gradients(cell_sampling.weighted_sums, arguments)
        np.testing.assert_array_equal(found, tf.zeros_like(found))
        for gradient in gradients:
            np.testing.assert_array_equal(gradient, tf.zeros_like(gradient))


@pytest.mark.parametrize(("batch", "tokens"), [(0, 3), (1, 0)])
def test_no_tokens_give_no_sums(batch, tokens):
    places = tf.zeros([batch, tokens, _HEADS, 2])
    maps = [tf.zeros([batch, 4, 4, _HEADS, _CHANNELS])]
    with compute_target.for_xla(False):
        found = cell_sampling.weighted_sums(maps, places, places, places)
    assert found.shape == (batch, tokens, _HEADS, _CHANNELS)
