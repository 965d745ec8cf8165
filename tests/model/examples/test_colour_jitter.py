import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from model import train_sections
from model.examples import colour_jitter

ALL = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}


@pytest.fixture
def pixels():
    """Noise whose channels differ in their means."""
    rng = np.random.default_rng(0)
    return rng.integers(0, [255, 150, 60], [24, 32, 3]).astype(np.uint8)


def jitter(pixels, seed, **settings):
    chosen = train_sections.ColourJitterConfig(**settings)
    apply = tf.function(lambda values: colour_jitter.apply(values, (0, seed), chosen))
    return apply(tf.constant(pixels, tf.float32)).numpy()


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.7])
@pytest.mark.parametrize(
    ("change", "enhancer"),
    [
        (colour_jitter.change_brightness, ImageEnhance.Brightness),
        (colour_jitter.change_contrast, ImageEnhance.Contrast),
        (colour_jitter.change_saturation, ImageEnhance.Color),
    ],
)
def test_changes_are_those_of_pillow(pixels, change, enhancer, factor):
    expected = enhancer(Image.fromarray(pixels)).enhance(factor)
    found = change(tf.constant(pixels, tf.float32), factor)
    # Pillow cuts fractions off, of the gray level too.
    np.testing.assert_allclose(found, np.asarray(expected), atol=2.0)


@pytest.mark.parametrize("steps", [-64, 5, 128])
def test_hues_turn_round_the_circle_as_in_pillow(pixels, steps):
    hsv = np.asarray(Image.fromarray(pixels).convert("HSV")).copy()
    hsv[..., 0] += np.uint8(steps % 256)  # wraps round
    turned = np.asarray(Image.fromarray(hsv, "HSV").convert("RGB")).astype(float)
    found = colour_jitter.change_hue(tf.constant(pixels, tf.float32), steps / 256)
    # Pillow's hues have 8 bits, 1.4 degrees each, which is 6 levels at full chroma.
    np.testing.assert_allclose(found, turned, atol=10.0)
    assert np.abs(found - turned).mean() < 2.0


def test_nothing_changes_by_default(pixels):
    for seed in range(20):
        np.testing.assert_array_equal(jitter(pixels, seed), pixels)


@pytest.mark.parametrize(("probability", "low", "high"), [(0, 0, 0), (0.5, 24, 56)])
@pytest.mark.parametrize("what", list(ALL))
def test_each_change_is_as_likely_as_asked(pixels, what, probability, low, high):
    small = pixels[:2, :2]
    chosen = train_sections.ColourJitterConfig(
        **{what: ALL[what], "probability": probability}
    )
    apply = tf.function(
        lambda seed: colour_jitter.apply(tf.constant(small, tf.float32), seed, chosen)
    )
    changed = [
        np.abs(apply(tf.constant([0, seed])) - small).max() > 1e-3 for seed in range(80)
    ]
    assert low <= sum(changed) <= high


def test_factors_fill_their_range(pixels):
    gray = np.full([1, 1, 3], 100)
    found = [
        jitter(gray, seed, brightness=0.4, probability=1.0)[0, 0, 0]
        for seed in range(60)
    ]
    assert 60 <= min(found) < 68 and 132 < max(found) <= 140


def test_the_seed_alone_decides(pixels):
    first, again = (jitter(pixels, 3, **ALL, probability=1.0) for _ in range(2))
    other = jitter(pixels, 4, **ALL, probability=1.0)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1
    assert first.min() >= 0 and first.max() <= 255
