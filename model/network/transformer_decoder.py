"""Masked-attention transformer decoder (paper, section 3.2.1)."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from model import config
from model.network import (
    attention,
    initializers,
    linear,
    normalization,
    position_encoding,
    shapes,
)

NUM_LEVELS = 3


@keras.saving.register_keras_serializable(package="mask2former")
class TransformerDecoder(keras.layers.Layer):
    """Turns learned queries into classes and mask embeddings, block by block.

    Call arguments:
        mask_features: float [B, H/4, W/4, mask_channels].
        levels: three float [B, H/s, W/s, C_p], s = 32, 16, 8.

    Returns:
        Tuple of num_layers + 1 float32 [B, Q, K + 1] class logits, and as many
        float32 [B, Q, mask_channels] mask embeddings: of the queries themselves and
        after every block.
    """

    def __init__(
        self,
        settings: config.DecoderConfig | dict[str, int],
        num_classes: int,
        **kwargs,
    ):
        super().__init__(**kwargs)
        settings = config.DecoderConfig.model_validate(settings)
        self.settings = settings
        self.channels = settings.channels
        policy = self.dtype_policy
        self.blocks = [
            DecoderBlock(settings, name=f"block_{index}", dtype=policy)
            for index in range(settings.num_layers)
        ]
        self.norm = normalization.LayerNorm(name="norm", dtype=policy)
        self.class_head = linear.Linear(
            num_classes + 1, name="class_head", dtype="float32"
        )
        mask_layers = (
            (self.channels, "relu"),
            (self.channels, "relu"),
            (settings.mask_channels, None),
        )
        self.mask_head = [
            linear.Linear(
                units, activation=activation, name=f"mask_head_{index}", dtype=policy
            )
            for index, (units, activation) in enumerate(mask_layers)
        ]
        self.input_projections = []

    def build(
        self,
        mask_features_shape: shapes.Shape,
        levels_shape: Sequence[shapes.Shape],
    ) -> None:
        channels, num_queries = self.channels, self.settings.num_queries
        for name, count in (
            ("query_features", num_queries),
            ("query_positions", num_queries),
            ("level_embedding", NUM_LEVELS),
        ):
            weight = self.add_weight(
                name=name, shape=(count, channels), initializer=initializers.embedding()
            )
            setattr(self, name, weight)
        if levels_shape[0][-1] != channels:
            self.input_projections = [
                linear.Linear(
                    channels,
                    initializers.c2_xavier(),
                    keras.initializers.Zeros(),
                    name=f"input_{level}",
                    dtype=self.dtype_policy,
                )
                for level in range(NUM_LEVELS)
            ]
        for layer, shape in zip(self.input_projections, levels_shape, strict=False):
            layer.build(shape)
        for layer in (*self.blocks, self.norm, self.class_head, *self.mask_head):
            layer.build((None, num_queries, channels))

    def call(
        self, mask_features: tf.Tensor, levels: Sequence[tf.Tensor]
    ) -> tuple[tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]:
        memories, positions, coarse_features = [], [], []
        # The attention mask is the prediction resized to the level. Resizing is
        # linear, so the features are resized, once, instead of every prediction.
        fixed_features = tf.stop_gradient(tf.cast(mask_features, tf.float32))
        for index, level in enumerate(levels):
            height, width = tf.shape(level)[1], tf.shape(level)[2]
            memories.append(self._memory(index, level))
            position = position_encoding.sine_2d(height, width, self.channels)
            positions.append(tf.reshape(position, [1, -1, self.channels]))
            resized = tf.image.resize(fixed_features, [height, width], "bilinear")
            coarse_features.append(
                tf.reshape(resized, [tf.shape(level)[0], -1, resized.shape[-1]])
            )
        queries = tf.convert_to_tensor(self.query_features)
        queries = tf.tile(queries[tf.newaxis], [tf.shape(mask_features)[0], 1, 1])
        query_positions = tf.convert_to_tensor(self.query_positions)
        class_logits, embeddings = [], []
        for index in range(len(self.blocks) + 1):
            normed = self.norm(queries)
            class_logits.append(self.class_head(normed))
            embeddings.append(self._embed(normed))
            if index == len(self.blocks):
                break
            level = index % NUM_LEVELS
            mask_logits = tf.matmul(
                tf.stop_gradient(embeddings[-1]),
                coarse_features[level],
                transpose_b=True,
            )  # [B, Q, S]
            queries = self.blocks[index](
                queries,
                query_positions,
                memories[level],
                positions[level],
                blocked_pixels(mask_logits),
            )
        return tuple(class_logits), tuple(embeddings)

    def _memory(self, index: int, level: tf.Tensor) -> tf.Tensor:
        tokens = tf.reshape(level, [tf.shape(level)[0], -1, level.shape[-1]])
        if self.input_projections:
            tokens = self.input_projections[index](tokens)
        embedding = tf.convert_to_tensor(self.level_embedding)[index]
        tokens = tf.cast(tokens, self.compute_dtype)
        return tokens + tf.cast(embedding, self.compute_dtype)  # [B, S, C]

    def _embed(self, normed: tf.Tensor) -> tf.Tensor:
        """Mask embeddings, float32 [B, Q, mask_channels]."""
        first, second, last = self.mask_head
        return tf.cast(last(second(first(normed))), tf.float32)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "settings": self.settings.model_dump(mode="json"),
            "num_classes": self.class_head.units - 1,
        }


class DecoderBlock(keras.layers.Layer):
    """Masked cross-attention, self-attention, feed-forward; each added, then normed.

    Call arguments:
        queries: float [B, Q, C].
        query_positions: float [Q, C].
        memory: float [B, S, C], one level's pixels.
        memory_positions: float [1, S, C].
        blocked: bool [B, Q, S], pixels that a query must not look at.

    Returns:
        float [B, Q, C].
    """

    def __init__(self, settings: config.DecoderConfig, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        channels, num_heads = settings.channels, settings.num_heads
        self.cross_attention = attention.Attention(
            channels, num_heads, name="cross_attention", dtype=policy
        )
        self.self_attention = attention.Attention(
            channels, num_heads, name="self_attention", dtype=policy
        )
        self.feedforward = [
            linear.Linear(
                units,
                initializers.xavier(),
                activation=activation,
                name=name,
                dtype=policy,
            )
            for name, units, activation in (
                ("feedforward_1", settings.feedforward_channels, "relu"),
                ("feedforward_2", channels, None),
            )
        ]
        self.norms = [
            normalization.LayerNorm(name=name, dtype=policy)
            for name in (
                "cross_attention_norm",
                "self_attention_norm",
                "feedforward_norm",
            )
        ]

    def build(self, queries_shape: shapes.Shape, *_: shapes.Shape) -> None:
        expand, contract = self.feedforward
        expand.build(queries_shape)
        contract.build(shapes.with_channels(queries_shape, expand.units))
        for layer in (self.cross_attention, self.self_attention, *self.norms):
            layer.build(queries_shape)

    def call(
        self,
        queries: tf.Tensor,
        query_positions: tf.Tensor,
        memory: tf.Tensor,
        memory_positions: tf.Tensor,
        blocked: tf.Tensor,
    ) -> tf.Tensor:
        cross_norm, self_norm, feedforward_norm = self.norms
        looked_up = self.cross_attention(
            queries + query_positions, memory + memory_positions, memory, blocked
        )
        queries = cross_norm(queries + looked_up)
        placed = queries + query_positions
        queries = self_norm(queries + self.self_attention(placed, placed, queries))
        expand, contract = self.feedforward
        return feedforward_norm(queries + contract(expand(queries)))


def blocked_pixels(mask_logits: tf.Tensor) -> tf.Tensor:
    """Pixels a query must not look at: its own mask says background there.

    A query whose mask is empty would see nothing, so it sees everything.

    Args:
        mask_logits: float [B, Q, S].

    Returns:
        bool [B, Q, S].
    """
    blocked = mask_logits < 0.0  # sigmoid < 0.5
    return blocked & ~tf.reduce_all(blocked, axis=-1, keepdims=True)
