"""Multi-scale deformable attention (Zhu et al. 2020, section 4.1) in plain ops."""

import math

import keras
import numpy as np
import tensorflow as tf

from model.kernels import cell_sampling, products
from model.network import initializers, linear, shapes


@keras.saving.register_keras_serializable(package="mask2former")
class DeformableAttention(keras.layers.Layer):
    """Every token looks at a few learned places of every level.

    Call arguments:
        queries: float32 [B, S, C], tokens with their positions added.
        tokens: float32 [B, S, C], the levels' pixels one after the other.
        references: float32 [S, 2], x and y of each token's pixel centre in [0, 1].
        level_shapes: int32 [L, 2], height and width of each level, px.

    Returns:
        float32 [B, S, C].
    """

    def __init__(self, num_heads: int, num_levels: int, num_points: int, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.num_levels = num_levels
        self.num_points = num_points

    def build(self, queries_shape: shapes.Shape, *_: shapes.Shape) -> None:
        channels = queries_shape[-1]
        policy = self.dtype_policy
        samples = self.num_heads * self.num_levels * self.num_points
        ring = ring_offsets(self.num_heads, self.num_levels, self.num_points)
        self.offsets = linear.Linear(
            2 * samples,
            keras.initializers.Zeros(),
            # Keras says float, and takes an array as well.
            keras.initializers.Constant(ring),  # pyright: ignore[reportArgumentType]
            name="sampling_offsets",
            dtype=policy,
        )
        self.scores = linear.Linear(
            samples,
            keras.initializers.Zeros(),
            keras.initializers.Zeros(),
            name="attention_weights",
            dtype=policy,
        )
        self.values = _projection(channels, "value_projection", policy)
        self.outputs = _projection(channels, "output_projection", policy)
        for layer in (self.offsets, self.scores, self.values, self.outputs):
            layer.build(queries_shape)

    def call(
        self,
        queries: tf.Tensor,
        tokens: tf.Tensor,
        references: tf.Tensor,
        level_shapes: tf.Tensor,
    ) -> tf.Tensor:
        batch, count = tf.shape(queries)[0], tf.shape(queries)[1]
        heads, samples = self.num_heads, self.num_levels * self.num_points
        offset_x, offset_y, scores = (
            tf.reshape(each, [batch, count, heads, samples])
            for each in self._chosen(queries)
        )
        # (reference + offset / size) * size - 0.5 is where the sample lies, in px.
        sizes = tf.repeat(level_shapes[:, ::-1], self.num_points, axis=0)  # [L * P, 2]
        centres = references[:, tf.newaxis] * tf.cast(sizes, tf.float32) - 0.5
        x_px = offset_x + centres[:, tf.newaxis, :, 0]
        y_px = offset_y + centres[:, tf.newaxis, :, 1]
        values = self.values(tokens)
        channels = values.shape[-1]
        values = tf.reshape(values, [batch, count, heads, channels // heads])
        sampled = sample_levels(values, x_px, y_px, tf.nn.softmax(scores), level_shapes)
        return self.outputs(tf.reshape(sampled, [batch, count, channels]))

    def _chosen(self, queries: tf.Tensor) -> list[tf.Tensor]:
        """Offsets along x and y and scores, float32 [B * S, heads * L * P] each.

        One product makes all three. The weights hold x and y in turn, as published
        ones do; the product has them apart, so that nothing is picked out of its rows.
        """

        def apart(weight: keras.Variable) -> tf.Tensor:  # [..., 2N], x and y in turn
            pairs = tf.reshape(weight, [-1, weight.shape[-1] // 2, 2])
            return tf.reshape(tf.transpose(pairs, [0, 2, 1]), weight.shape)

        kernel = tf.concat([apart(self.offsets.kernel), self.scores.kernel], axis=-1)
        bias = tf.concat([apart(self.offsets.bias), self.scores.bias], axis=-1)
        rows = tf.reshape(queries, [-1, queries.shape[-1]])
        return tf.split(products.linear(rows, kernel, bias), 3, axis=-1)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "num_levels": self.num_levels,
            "num_points": self.num_points,
        }


def sample_levels(
    values: tf.Tensor,
    x_px: tf.Tensor,
    y_px: tf.Tensor,
    weights: tf.Tensor,
    level_shapes: tf.Tensor,
) -> tf.Tensor:
    """Weighted sum of bilinear samples, zero outside the maps.

    Args:
        values: float [B, S, heads, D], the levels one after the other, row by row.
        x_px, y_px: float [B, T, heads, L * P], places in their level, level by level;
            pixel centres have whole numbers.
        weights: float [B, T, heads, L * P].
        level_shapes: int32 [L, 2], height and width, px.

    Returns:
        float [B, T, heads, D].
    """
    sizes = tf.unstack(level_shapes)
    areas = tf.reduce_prod(level_shapes, axis=1)
    maps = [
        tf.reshape(level, [-1, *tf.unstack(size), *values.shape[2:]])
        for level, size in zip(
            tf.split(values, areas, axis=1, num=len(sizes)), sizes, strict=True
        )
    ]
    return cell_sampling.weighted_sums(maps, x_px, y_px, weights)


def ring_offsets(num_heads: int, num_levels: int, num_points: int) -> np.ndarray:
    """First offsets: head h looks in direction 2 pi h / heads, point i i + 1 px away.

    Directions are scaled to a maximum norm of 1 (the corners of a square for four or
    eight heads).

    Returns:
        float32 [heads * L * P * 2].
    """
    angles = np.arange(num_heads) * (2.0 * math.pi / num_heads)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=-1)  # [heads, 2]
    ring /= np.abs(ring).max(axis=-1, keepdims=True)
    distances = np.arange(1, num_points + 1)[:, np.newaxis]  # [P, 1]
    offsets = ring[:, np.newaxis, np.newaxis] * distances  # [heads, 1, P, 2]
    offsets = np.repeat(offsets, num_levels, axis=1)  # [heads, L, P, 2]
    return offsets.reshape(-1).astype(np.float32)


def _projection(channels: int, name: str, policy: keras.DTypePolicy) -> linear.Linear:
    return linear.Linear(
        channels,
        initializers.xavier(),
        keras.initializers.Zeros(),
        name=name,
        dtype=policy,
    )
