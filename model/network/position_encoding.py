"""Sine position encoding of a feature map (Carion et al. 2020, appendix)."""

import math

import tensorflow as tf

_TEMPERATURE = 10000.0
_EPSILON = 1e-6


def sine_2d(height: tf.Tensor, width: tf.Tensor, channels: int) -> tf.Tensor:
    """Encodes pixel positions: half of the channels for y, the other half for x.

    Each axis counts from 1, is divided by its length and scaled to 2 pi; sine and
    cosine alternate along the channels.

    Args:
        height, width: int [] or plain integers, px.
        channels: a multiple of 4.

    Returns:
        float32 [H, W, C] in [-1, 1].
    """
    rows = _encode_axis(height, channels // 2)[:, tf.newaxis]  # [H, 1, C/2]
    columns = _encode_axis(width, channels // 2)[tf.newaxis]  # [1, W, C/2]
    shape = [height, width, channels // 2]
    return tf.concat(
        [tf.broadcast_to(rows, shape), tf.broadcast_to(columns, shape)], axis=-1
    )


def _encode_axis(length: tf.Tensor, channels: int) -> tf.Tensor:
    place = tf.range(1, length + 1)
    place = tf.cast(place, tf.float32) / (tf.cast(length, tf.float32) + _EPSILON)
    exponents = 2.0 * tf.range(channels // 2, dtype=tf.float32) / channels
    angles = 2.0 * math.pi * place[:, tf.newaxis] / _TEMPERATURE**exponents  # [S, C/2]
    pairs = tf.stack([tf.sin(angles), tf.cos(angles)], axis=-1)  # [S, C/2, 2]
    return tf.reshape(pairs, [length, channels])
