"""Attention of queries to tokens (Vaswani et al. 2017), of which some are blocked."""

import math

import keras
import tensorflow as tf

from model.network import initializers, linear, shapes

_BLOCKED = -1e9


class Attention(keras.layers.Layer):
    """Multi-head attention; softmax in float32.

    `keras.layers.MultiHeadAttention` takes it in bfloat16 with mixed_bfloat16.

    Call arguments:
        queries: float [B, Q, C].
        keys, values: float [B, S, C].
        blocked: bool [B, Q, S], or None to see everything.

    Returns:
        float [B, Q, C].
    """

    def __init__(self, channels: int, num_heads: int, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.num_heads = num_heads
        self.inputs = [
            linear.Linear(
                channels,
                initializers.attention_input(),
                keras.initializers.Zeros(),
                name=name,
                dtype=self.dtype_policy,
            )
            for name in ("query", "key", "value")
        ]
        self.output_projection = linear.Linear(
            channels,
            initializers.xavier(),
            keras.initializers.Zeros(),
            name="output",
            dtype=self.dtype_policy,
        )

    def build(self, queries_shape: shapes.Shape, *_: shapes.Shape) -> None:
        for layer in (*self.inputs, self.output_projection):
            layer.build((None, None, self.channels))

    def call(
        self,
        queries: tf.Tensor,
        keys: tf.Tensor,
        values: tf.Tensor,
        blocked: tf.Tensor | None = None,
    ) -> tf.Tensor:
        heads = [
            self._split(layer(tokens))
            for layer, tokens in zip(self.inputs, (queries, keys, values), strict=True)
        ]  # [B, heads, Q or S, C / heads]
        scale = 1.0 / math.sqrt(self.channels // self.num_heads)
        scores = tf.matmul(heads[0] * scale, heads[1], transpose_b=True)
        scores = tf.cast(scores, tf.float32)  # [B, heads, Q, S]
        if blocked is not None:
            scores += tf.where(blocked, _BLOCKED, 0.0)[:, tf.newaxis]
        probs = tf.cast(tf.nn.softmax(scores), heads[2].dtype)
        looked_up = tf.transpose(probs @ heads[2], [0, 2, 1, 3])
        return self.output_projection(tf.reshape(looked_up, tf.shape(queries)))

    def _split(self, tokens: tf.Tensor) -> tf.Tensor:
        shape = [
            tf.shape(tokens)[0],
            tf.shape(tokens)[1],
            self.num_heads,
            self.channels // self.num_heads,
        ]
        return tf.transpose(tf.reshape(tokens, shape), [0, 2, 1, 3])
