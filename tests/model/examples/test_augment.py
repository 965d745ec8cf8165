import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from model import train_sections
from model.examples import augment


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
    chosen = train_sections.AugmentConfig(**settings)
    return [
        draw(tf.constant(size), tf.constant([0, seed]), chosen) for seed in range(count)
    ]


@pytest.mark.parametrize(
    ("scaled", "origin", "is_flipped"),
    [
        ((20, 30), (0, 0), False),
        ((20, 30), (0, 0), True),
        ((80, 120), (13, 57), True),
        ((50, 75), (18, 43), False),
        ((400, 600), (7, 568), True),
    ],
)
def test_images_are_resized_like_tensorflow_does_then_cut(scaled, origin, is_flipped):
    image = _image(40, 60)
    found = augment.crop_image(
        image, _geometry((40, 60), scaled, origin, is_flipped), 32
    )
    source = image[:, ::-1] if is_flipped else image
    whole = tf.round(tf.image.resize(source, scaled, antialias=True))
    expected = whole[origin[0] : origin[0] + 32, origin[1] : origin[1] + 32]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1.0)
    assert float(tf.reduce_mean(tf.abs(found - expected))) < 0.01


def test_a_shrunk_image_is_the_one_pillow_makes():
    image = _image(40, 60)
    found = augment.crop_image(image, _geometry((40, 60), (20, 30)), 32)
    resized = Image.fromarray(image.numpy()).resize((30, 20), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(found, np.asarray(resized), atol=1.0)


def test_padding_is_the_mean_on_the_right_and_below():
    pixels = tf.stack([tf.fill([16, 24], value) for value in (110.0, 200.0, 40.0)], -1)
    mean, std = np.float32([100, 150, 50]), np.float32([10, 50, 20])
    found = augment.pad_image(pixels, 32, mean, std)
    assert found.shape == [32, 32, 3]
    np.testing.assert_allclose(
        found[:16, :24], np.tile([1.0, 1.0, -0.5], [16, 24, 1]), atol=1e-6
    )
    assert not found[16:].numpy().any() and not found[:, 24:].numpy().any()


def test_masks_look_up_the_pixels_the_image_shows():
    pattern = _image(40, 60)[..., 0].numpy()
    geometry = _geometry((40, 60), (80, 120), (13, 57), True)
    rows, columns = augment.looked_up(geometry, 32)
    doubled = np.repeat(np.repeat(pattern[:, ::-1], 2, 0), 2, 1)
    np.testing.assert_array_equal(
        pattern[rows.numpy()][:, columns.numpy()], doubled[13:45, 57:89]
    )


def test_masks_look_nothing_up_where_the_image_ends():
    rows, columns = augment.looked_up(_geometry((10, 20), (16, 32)), 32)
    assert rows.shape == [16] and columns.shape == [32]


def test_shrunk_masks_keep_their_share_of_the_pixels():
    mask = np.zeros([40, 60])
    mask[8:24, 12:36] = 1
    rows, columns = augment.looked_up(_geometry((40, 60), (20, 30)), 32)
    expected = np.zeros([20, 30])
    expected[4:12, 6:18] = 1
    np.testing.assert_array_equal(mask[rows.numpy()][:, columns.numpy()], expected)


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


@pytest.mark.parametrize("turn", range(4))
def test_turned_crops_are_those_of_numpy(turn):
    rng = np.random.default_rng(0)
    image = rng.random([8, 8, 3]).astype(np.float32)
    masks = rng.integers(0, 2, [3, 8, 8]).astype(np.uint8)
    turned = augment.turned(tf.constant(image), tf.constant(masks), tf.constant(turn))
    np.testing.assert_array_equal(turned[0], np.rot90(image, turn))
    np.testing.assert_array_equal(turned[1], np.rot90(masks, turn, axes=(1, 2)))


def test_all_four_turns_are_drawn():
    turns = [int(augment.draw_turn(tf.constant([0, k]))) for k in range(80)]
    assert sorted(set(turns)) == [0, 1, 2, 3]
    assert min(turns.count(turn) for turn in range(4)) >= 8
