"""What a stage of a Swin Transformer is made of: blocks, and what halves the size."""

import keras
import tensorflow as tf

from model.network import (
    convolution,
    initializers,
    linear,
    normalization,
    shapes,
    window_attention,
)

_MLP_RATIO = 4


class Merging(keras.layers.Layer):
    """Four neighbours become one pixel of twice the channels: half the size.

    Call arguments:
        pixels: float [B, H, W, C].

    Returns:
        float [B, ceil(H / 2), ceil(W / 2), 2 * C].
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.norm = normalization.LayerNorm(name="norm", dtype=policy)
        self.reduction = convolution.Convolution(
            channels,
            1,
            kernel_initializer=initializers.swin(),
            name="reduction",
            dtype=policy,
        )

    def build(self, pixels_shape: shapes.Shape) -> None:
        shape = shapes.with_channels(pixels_shape, 4 * pixels_shape[-1])
        self.norm.build(shape)
        self.reduction.build(shape)

    def call(self, pixels: tf.Tensor, training: bool = False) -> tf.Tensor:
        pixels = window_attention.padded_to(pixels, 2)
        height, width = window_attention.sides(pixels)
        channels = pixels.shape[-1]
        cut = tf.reshape(pixels, [-1, height // 2, 2, width // 2, 2, channels])
        # Published weights expect the pixel below before the one to the right.
        cut = tf.transpose(cut, [0, 1, 3, 4, 2, 5])
        merged = tf.reshape(cut, [-1, height // 2, width // 2, 4 * channels])
        return self.reduction(normalised(self.norm, merged, training))


class Block(keras.layers.Layer):
    """Attention in windows, then a perceptron of two layers, each added to what came.

    Call arguments:
        pixels: float [B, H, W, C].
        apart: bool [windows, N, N], see `window_attention.apart_by_shift`.
        kept: bool [B, 2], which of the two additions take place, or None for both.

    Returns:
        float [B, H, W, C].
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        window: int,
        shift: int,
        keep_rate: float,
        **kwargs,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.keep_rate = keep_rate
        self.attention = window_attention.WindowAttention(
            channels, num_heads, window, shift, name="attention", dtype=policy
        )
        self.attention_norm = normalization.LayerNorm(
            name="attention_norm", dtype=policy
        )
        self.feedforward_norm = normalization.LayerNorm(
            name="feedforward_norm", dtype=policy
        )
        self.feedforward = [
            linear.Linear(
                units,
                initializers.swin(),
                keras.initializers.Zeros(),
                activation,
                name=f"feedforward_{number}",
                dtype=policy,
            )
            for number, units, activation in (
                (1, _MLP_RATIO * channels, "gelu"),
                (2, channels, None),
            )
        ]

    def build(self, pixels_shape: shapes.Shape) -> None:
        for layer in (self.attention, self.attention_norm, self.feedforward_norm):
            layer.build(pixels_shape)
        first, second = self.feedforward
        first.build(pixels_shape)
        second.build(shapes.with_channels(pixels_shape, first.units))

    def call(
        self,
        pixels: tf.Tensor,
        apart: tf.Tensor,
        kept: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        inside = normalised(self.attention_norm, pixels, training)
        inside = self.attention(inside, apart if self.attention.shift else None)
        pixels += self._kept(inside, kept, 0)
        inside = normalised(self.feedforward_norm, pixels, training)
        for layer in self.feedforward:
            inside = layer(inside)
        return pixels + self._kept(inside, kept, 1)

    def _kept(
        self, inside: tf.Tensor, kept: tf.Tensor | None, branch: int
    ) -> tf.Tensor:
        """Zero where a branch is dropped; what is kept stands for that, too.

        Stochastic depth of Huang et al. 2016, arXiv 1603.09382.
        """
        if kept is None or self.keep_rate == 1.0:
            return inside
        factors = tf.where(kept[:, branch], 1.0 / self.keep_rate, 0.0)  # [B]
        factors = factors[:, tf.newaxis, tf.newaxis, tf.newaxis]
        return inside * tf.cast(factors, inside.dtype)


def normalised(
    norm: normalization.LayerNorm, pixels: tf.Tensor, training: bool
) -> tf.Tensor:
    """Layer norm of [B, H, W, C], as the rows of which it knows the fast form."""
    shape = tf.shape(pixels)
    rows = tf.reshape(pixels, [shape[0], -1, pixels.shape[-1]])
    outputs = tf.reshape(norm(rows, training=training), shape)
    return tf.ensure_shape(outputs, pixels.shape)
