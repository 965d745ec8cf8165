"""Pixel decoder: deformable encoder over three levels and one FPN level above it."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from model import config
from model.network import (
    convolution,
    deformable_attention,
    initializers,
    linear,
    normalization,
    position_encoding,
    shapes,
)

NUM_LEVELS = 3


@keras.saving.register_keras_serializable(package="mask2former")
class PixelDecoder(keras.layers.Layer):
    """Brings backbone features into one space and up to stride 4, always in float32.

    Paper section 3.2.2 and appendix; levels are ordered 1/32, 1/16, 1/8.

    Call arguments:
        features: four float [B, H/s, W/s, C_s], s = 4, 8, 16, 32.

    Returns:
        float32 [B, H/4, W/4, mask_channels], and a tuple of the three levels, float32
        [B, H/s, W/s, C], s = 32, 16, 8.
    """

    def __init__(
        self,
        settings: config.PixelDecoderConfig | dict[str, int],
        mask_channels: int,
        **kwargs,
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        settings = config.PixelDecoderConfig.model_validate(settings)
        self.settings = settings
        self.channels, groups = settings.channels, settings.norm_groups
        self.inputs = [
            _NormedConvolution(
                self.channels,
                groups,
                use_bias=True,
                kernel_initializer=initializers.xavier(),
                name=f"input_{level}",
            )
            for level in range(NUM_LEVELS)
        ]
        self.encoder_layers = [
            EncoderLayer(settings, name=f"encoder_{index}")
            for index in range(settings.num_encoder_layers)
        ]
        self.lateral = _NormedConvolution(self.channels, groups, name="lateral")
        self.fpn = _NormedConvolution(self.channels, groups, 3, name="output")
        self.mask_features = convolution.Convolution(
            mask_channels,
            1,
            use_bias=True,
            kernel_initializer=initializers.c2_xavier(),
            name="mask_features",
        )

    def build(self, features_shape: Sequence[shapes.Shape]) -> None:
        res2, *levels = features_shape
        self.level_embedding = self.add_weight(
            name="level_embedding",
            shape=(NUM_LEVELS, self.channels),
            initializer=initializers.embedding(),
        )
        for layer, shape in zip(self.inputs, reversed(levels), strict=True):
            layer.build(shape)
        for layer in self.encoder_layers:
            layer.build((None, None, self.channels))
        self.lateral.build(res2)
        for layer in (self.fpn, self.mask_features):
            layer.build(shapes.with_channels(res2, self.channels))

    def call(
        self, features: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        res2, *levels = features
        maps = [
            layer(level)
            for layer, level in zip(self.inputs, reversed(levels), strict=True)
        ]
        maps = self._encode(maps)
        lateral = self.lateral(res2)
        finest = tf.image.resize(maps[-1], tf.shape(lateral)[1:3], "bilinear")
        pixels = tf.nn.relu(self.fpn(lateral + finest))
        return self.mask_features(pixels), tuple(maps)

    def _encode(self, maps: list[tf.Tensor]) -> list[tf.Tensor]:
        level_shapes = tf.stack([tf.shape(level)[1:3] for level in maps])  # [L, 2]
        batch = tf.shape(maps[0])[0]
        flat = [tf.reshape(level, [batch, -1, self.channels]) for level in maps]
        embedding = tf.unstack(tf.convert_to_tensor(self.level_embedding))
        positions, references = [], []
        for level in range(NUM_LEVELS):
            height, width = level_shapes[level, 0], level_shapes[level, 1]
            position = position_encoding.sine_2d(height, width, self.channels)
            position = tf.reshape(position, [-1, self.channels]) + embedding[level]
            positions.append(position)
            references.append(_pixel_centres(height, width))
        tokens = tf.concat(flat, axis=1)  # [B, S, C]
        positions = tf.concat(positions, axis=0)  # [S, C]
        references = tf.concat(references, axis=0)  # [S, 2]
        for layer in self.encoder_layers:
            tokens = layer(tokens, positions, references, level_shapes)
        parts = tf.split(tokens, tf.reduce_prod(level_shapes, axis=1), axis=1)
        return [
            tf.ensure_shape(tf.reshape(part, tf.shape(level)), level.shape)
            for part, level in zip(parts, maps, strict=True)
        ]

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "settings": self.settings.model_dump(mode="json"),
            "mask_channels": self.mask_features.channels,
        }


class EncoderLayer(keras.layers.Layer):
    """Deformable self-attention and a feed-forward network, each added and normed.

    Call arguments:
        tokens: float32 [B, S, C].
        positions: float32 [S, C].
        references: float32 [S, 2], x and y in [0, 1].
        level_shapes: int32 [L, 2], px.

    Returns:
        float32 [B, S, C].
    """

    def __init__(self, settings: config.PixelDecoderConfig, **kwargs):
        super().__init__(**kwargs)
        self.attention = deformable_attention.DeformableAttention(
            settings.num_heads, NUM_LEVELS, settings.num_points, name="attention"
        )
        self.attention_norm = normalization.LayerNorm(name="attention_norm")
        self.expand = linear.Linear(
            settings.feedforward_channels,
            initializers.xavier(),
            activation="relu",
            name="feedforward_1",
        )
        self.feedforward_norm = normalization.LayerNorm(name="feedforward_norm")

    def build(self, tokens_shape: shapes.Shape, *_: shapes.Shape) -> None:
        self.contract = linear.Linear(
            tokens_shape[-1], initializers.xavier(), name="feedforward_2"
        )
        for layer in (
            self.attention,
            self.attention_norm,
            self.expand,
            self.feedforward_norm,
        ):
            layer.build(tokens_shape)
        self.contract.build(shapes.with_channels(tokens_shape, self.expand.units))

    def call(
        self,
        tokens: tf.Tensor,
        positions: tf.Tensor,
        references: tf.Tensor,
        level_shapes: tf.Tensor,
    ) -> tf.Tensor:
        looked_up = self.attention(tokens + positions, tokens, references, level_shapes)
        tokens = self.attention_norm(tokens + looked_up)
        return self.feedforward_norm(tokens + self.contract(self.expand(tokens)))


class _NormedConvolution(keras.layers.Layer):
    """Convolution and group norm."""

    def __init__(
        self,
        channels: int,
        groups: int,
        kernel_size: int = 1,
        use_bias: bool = False,
        kernel_initializer: keras.initializers.Initializer | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.conv = convolution.Convolution(
            channels,
            kernel_size,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer or initializers.c2_xavier(),
            name="conv",
            dtype=self.dtype_policy,
        )
        self.norm = normalization.GroupNorm(
            groups, name="norm", dtype=self.dtype_policy
        )

    def build(self, pixels_shape: shapes.Shape) -> None:
        self.conv.build(pixels_shape)
        self.norm.build(shapes.with_channels(pixels_shape, self.conv.channels))

    def call(self, pixels: tf.Tensor) -> tf.Tensor:
        return self.norm(self.conv(pixels))


def _pixel_centres(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Float32 [H * W, 2], x and y of every pixel centre in [0, 1], row by row."""
    rows = (tf.range(height, dtype=tf.float32) + 0.5) / tf.cast(height, tf.float32)
    columns = (tf.range(width, dtype=tf.float32) + 0.5) / tf.cast(width, tf.float32)
    x, y = tf.meshgrid(columns, rows)
    return tf.reshape(tf.stack([x, y], axis=-1), [-1, 2])
