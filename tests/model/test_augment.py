import numpy as np
import pytest
import tensorflow as tf

from model import augment
from pipeline import config

_MEAN = np.zeros(3, np.float32)
_STD = np.ones(3, np.float32)


def _geometry(size, scaled, origin=(0, 0), is_flipped=False):
    return augment.Geometry(
        tf.constant(size),
        tf.constant(scaled),
        tf.constant(origin),
        tf.constant(is_flipped),
    )


def _image(height, width):
    rng = np.random.default_rng(0)
    return tf.constant(rng.integers(0, 256, [height, width, 3]).astype(np.uint8))


def _drawn(count, size, **settings):
    draw = tf.function(augment.draw_geometry)
    chosen = config.AugmentConfig(**settings)
    return [
        draw(tf.constant(size), tf.constant([0, seed]), chosen) for seed in range(count)
    ]


@pytest.mark.parametrize(
    ("scaled", "origin", "is_flipped"),
    [
        ((20, 30), (0, 0), False),
        ((80, 120), (13, 57), True),
        ((50, 75), (18, 43), False),
    ],
)
def test_images_are_resized_like_tensorflow_does_then_cut(scaled, origin, is_flipped):
    image = _image(40, 60)
    found = augment.crop_image(
        image, _geometry((40, 60), scaled, origin, is_flipped), 32, _MEAN, _STD
    )
    source = image[:, ::-1] if is_flipped else image
    whole = tf.round(tf.image.resize(source, scaled, antialias=True))
    expected = whole[origin[0] : origin[0] + 32, origin[1] : origin[1] + 32]
    height, width = expected.shape[:2]
    np.testing.assert_allclose(found[:height, :width], expected, atol=1.0)
    assert float(tf.reduce_mean(tf.abs(found[:height, :width] - expected))) < 0.01


def test_padding_is_the_mean_on_the_right_and_below():
    image = tf.fill([10, 20, 3], tf.constant(200, tf.uint8))
    mean, std = np.full(3, 100, np.float32), np.full(3, 50, np.float32)
    found = augment.crop_image(image, _geometry((10, 20), (16, 32)), 32, mean, std)
    np.testing.assert_allclose(found[:16], 2.0, atol=1e-5)
    assert float(tf.reduce_max(tf.abs(found[16:]))) == 0.0


def test_masks_are_cut_where_the_image_is():
    masks = tf.cast(_image(40, 60)[..., 0] > 127, tf.uint8)[tf.newaxis]
    geometry = _geometry((40, 60), (80, 120), (13, 57), True)
    found = augment.crop_masks(masks, geometry, 32)
    nearest = np.repeat(np.repeat(masks[0].numpy()[:, ::-1], 2, 0), 2, 1)
    np.testing.assert_array_equal(found[0], nearest[13:45, 57:89])


def test_masks_are_zero_where_padded():
    found = augment.crop_masks(
        tf.ones([2, 10, 20], tf.uint8), _geometry((10, 20), (16, 32)), 32
    )
    assert found.numpy().sum() == 2 * 16 * 32


def test_shrunk_masks_keep_their_share_of_the_pixels():
    masks = np.zeros([1, 40, 60], np.uint8)
    masks[0, 8:24, 12:36] = 1
    found = augment.crop_masks(masks, _geometry((40, 60), (20, 30)), 32)
    expected = np.zeros([32, 32])
    expected[4:12, 6:18] = 1
    np.testing.assert_array_equal(found[0], expected)


def test_scales_fill_their_range_relative_to_the_crop():
    drawn = _drawn(200, (40, 80), crop_size=64, min_scale=0.5, max_scale=2.0)
    widths = np.array([int(g.scaled[1]) for g in drawn])
    assert 32 <= widths.min() < 40
    assert 120 < widths.max() <= 128
    np.testing.assert_allclose([int(g.scaled[0]) for g in drawn], widths / 2, atol=1)


def test_crops_lie_anywhere_inside_what_is_larger_and_at_zero_in_what_is_smaller():
    drawn = _drawn(200, (20, 80), crop_size=64, min_scale=2.0, max_scale=2.0)
    lefts = [int(g.origin[1]) for g in drawn]  # 128 px wide, so 0..64
    assert min(lefts) <= 2
    assert max(lefts) >= 62
    assert max(lefts) <= 64
    assert all(int(g.origin[0]) == 0 for g in drawn)  # 32 px high


@pytest.mark.parametrize(
    ("chance", "low", "high"), [(0, 0, 0), (1, 50, 50), (0.5, 13, 37)]
)
def test_flips_are_as_likely_as_asked(chance, low, high):
    drawn = _drawn(50, (8, 8), crop_size=32, flip_probability=chance)
    assert low <= sum(bool(g.is_flipped) for g in drawn) <= high


def test_the_same_seed_draws_the_same():
    first, second = (_drawn(1, (40, 80), crop_size=64)[0] for _ in range(2))
    assert [int(v) for v in first.scaled] == [int(v) for v in second.scaled]
    assert [int(v) for v in first.origin] == [int(v) for v in second.origin]
