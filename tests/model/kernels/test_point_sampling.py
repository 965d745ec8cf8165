import math

import numpy as np
import pytest
import tensorflow as tf

from model.kernels import compute_target, point_sampling

pytestmark = pytest.mark.onednn


def _brute_force(grid, x_unit, y_unit):
    height, width = grid.shape
    x, y = x_unit * width - 0.5, y_unit * height - 0.5
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * grid[row, column]
    return total


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_maps_are_sampled_like_brute_force_each_row_from_its_own_map(dtype):
    rng = np.random.default_rng(0)
    maps = (255 * rng.uniform(size=[3, 4, 5])).astype(dtype)
    points = rng.uniform(-0.3, 1.3, [4, 6, 2]).astype(np.float32)
    rows = [2, 0, 2, 1]
    found = point_sampling.sample_maps(tf.constant(maps), tf.constant(rows), points)
    expected = [
        [_brute_force(maps[row], *point) for point in own]
        for row, own in zip(rows, points, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("is_for_xla", [False, True])
@pytest.mark.parametrize("channels", [3, 40])
def test_features_are_sampled_channel_by_channel(channels, is_for_xla):
    rng = np.random.default_rng(1)
    features = rng.normal(size=[2, 4, 5, channels]).astype(np.float32)
    points = rng.uniform(-0.2, 1.2, [2, 7, 2]).astype(np.float32)
    with compute_target.for_xla(is_for_xla):
        found = point_sampling.sample_features(
            tf.constant(features), tf.constant(points)
        )
    for image in range(2):
        for channel in range(channels):
            expected = [
                _brute_force(features[image, :, :, channel], *point)
                for point in points[image]
            ]
            np.testing.assert_allclose(found[image, :, channel], expected, atol=1e-5)


def test_pixel_centres_give_the_pixels_themselves():
    grid = tf.constant([[[1.0, 2.0], [3.0, 4.0]]])
    points = tf.constant([[[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]])
    found = point_sampling.sample_maps(grid, tf.constant([0]), points)
    assert found.numpy().tolist() == [[1.0, 2.0, 3.0, 2.5]]


def test_sampling_is_linear_in_the_map_and_so_is_its_gradient():
    grid = tf.Variable(tf.zeros([1, 2, 2]))
    points = tf.constant([[[0.5, 0.25]]])
    with tf.GradientTape() as tape:
        found = point_sampling.sample_maps(grid, tf.constant([0]), points)
    gradient = tf.convert_to_tensor(tape.gradient(found, grid))
    assert gradient.numpy().tolist() == [[[0.5, 0.5], [0.0, 0.0]]]


def test_sampling_works_with_sizes_known_only_when_run():
    sample = tf.function(
        point_sampling.sample_maps,
        input_signature=[
            tf.TensorSpec([None, None, None], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None, 2], tf.float32),
        ],
    )
    found = sample(tf.ones([2, 3, 4]), tf.constant([1]), tf.constant([[[0.5, 0.5]]]))
    assert found.numpy().tolist() == [[1.0]]
