"""Colour jitter: brightness, contrast, saturation and hue, as Pillow changes them.

TensorFlow's `adjust_contrast` and `adjust_saturation` do otherwise: about the mean of
each channel, and in HSV.
"""

from collections.abc import Callable

import tensorflow as tf

from model import train_sections

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R 601, of R, G and B


def apply(
    pixels: tf.Tensor, seed: tf.Tensor, settings: train_sections.ColourJitterConfig
) -> tf.Tensor:
    """Changes each of the four with the probability of the settings, in this order.

    Args:
        pixels: float32 [H, W, 3], RGB 0..255.
        seed: int32 [2], different for every image and epoch.

    Returns:
        float32 [H, W, 3], RGB 0..255, not rounded.
    """
    changes: tuple[tuple[Callable[..., tf.Tensor], float, float], ...] = (
        (change_brightness, 1.0, settings.brightness),
        (change_contrast, 1.0, settings.contrast),
        (change_saturation, 1.0, settings.saturation),
        (change_hue, 0.0, settings.hue),
    )
    draws = tf.random.stateless_uniform([len(changes), 2], seed)
    for (change, neutral, reach), (chance, place) in zip(
        changes, (tf.unstack(draw) for draw in tf.unstack(draws)), strict=True
    ):
        if reach:
            amount = neutral + reach * (2.0 * place - 1.0)
            pixels = tf.cond(
                chance < settings.probability,
                lambda change=change, amount=amount, now=pixels: change(now, amount),
                lambda now=pixels: now,
            )
    return pixels


def change_brightness(pixels: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Away from black (0 is black)."""
    return _clipped(pixels * factor)


def change_contrast(pixels: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Away from the mean luminance (0 is one gray)."""
    gray = tf.reduce_mean(_luminance(pixels))
    return _clipped(gray + (pixels - gray) * factor)


def change_saturation(pixels: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Away from each pixel's own luminance (0 is without colour)."""
    gray = _luminance(pixels)
    return _clipped(gray + (pixels - gray) * factor)


def change_hue(pixels: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """Round the colour circle of HSV (1 is once round)."""
    return tf.image.adjust_hue(pixels, shift)


def _luminance(pixels: tf.Tensor) -> tf.Tensor:
    """float32 [H, W, 1]."""
    red, green, blue = (pixels[..., channel : channel + 1] for channel in range(3))
    return red * _LUMINANCE[0] + green * _LUMINANCE[1] + blue * _LUMINANCE[2]


def _clipped(pixels: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(pixels, 0.0, 255.0)
