"""Mask2Former (Cheng et al. 2022, arXiv 2112.01527) for instance segmentation."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from model import config
from model.network import backbones, pixel_decoder, shapes, transformer_decoder

STRIDE = 32
MASK_STRIDE = 4


def build(
    model_config: config.ModelConfig,
    num_classes: int,
    precision: str = "float32",
    seed: int = 0,
) -> "Mask2Former":
    """Makes the network with its weights initialised.

    Args:
        num_classes: K; the class logits have one more column, "no object".
        precision: `float32`, or `mixed_bfloat16` to compute the backbone and the
            transformer decoder in bfloat16. Weights and outputs are float32 in both.
        seed: of the initial weights; it becomes the seed of Keras and TensorFlow.
    """
    keras.utils.set_random_seed(seed)
    model = Mask2Former(model_config, num_classes, precision, name="mask2former")
    model.build((None, None, None, 3))
    return model


@keras.saving.register_keras_serializable(package="mask2former")
class Mask2Former(keras.Model):
    """Backbone, pixel decoder and transformer decoder.

    Call arguments:
        images: float32 [B, H, W, 3], normalised RGB, H and W multiples of 32.
        kept: rows of `draw_kept`, bool [B, branches], or None to keep every branch.

    Returns:
        Dictionary of predictions, index 0 from the queries themselves, the last one
        the network's answer:
        class_logits: tuple of num_layers + 1 float32 [B, Q, K + 1].
        mask_logits: tuple of num_layers + 1 float32 [B, Q, H/4, W/4], unbounded.
        mask_embeddings: tuple of num_layers + 1 float32 [B, Q, C].
        mask_features: float32 [B, H/4, W/4, C]; the mask logits are its dot products
            with the embeddings. Inside a tf.function those nobody reads cost nothing.
    """

    def __init__(
        self,
        model_config: config.ModelConfig,
        num_classes: int,
        precision: str = "float32",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.model_config = model_config
        self.num_classes = num_classes
        self.precision = precision
        self.backbone = backbones.build(
            model_config.backbone, name="backbone", dtype=precision
        )
        self.pixel_decoder = pixel_decoder.PixelDecoder(
            model_config.pixel_decoder,
            model_config.decoder.mask_channels,
            name="pixel_decoder",
        )
        self.decoder = transformer_decoder.TransformerDecoder(
            model_config.decoder, num_classes, name="decoder", dtype=precision
        )

    def build(self, images_shape: shapes.Shape) -> None:
        self.backbone.build(images_shape)
        feature_shapes = [
            shapes.with_channels(images_shape, stage.channels)
            for stage in self.backbone.stages
        ]
        self.pixel_decoder.build(feature_shapes)
        channels = self.pixel_decoder.channels
        level_shape = shapes.with_channels(images_shape, channels)
        level_shapes = [level_shape] * pixel_decoder.NUM_LEVELS
        mask_channels = self.model_config.decoder.mask_channels
        self.decoder.build(
            shapes.with_channels(images_shape, mask_channels), level_shapes
        )
        self.built = True

    def call(
        self,
        images: tf.Tensor,
        training: bool = False,
        kept: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor | tuple[tf.Tensor, ...]]:
        drawn = {} if kept is None else {"kept": kept}
        features = self.backbone(images, training=training, **drawn)
        features = [tf.cast(feature, tf.float32) for feature in features]
        mask_features, levels = self.pixel_decoder(features)
        class_logits, embeddings = self.decoder(mask_features, levels)
        return {
            "class_logits": class_logits,
            "mask_logits": tuple(
                mask_logits(embedding, mask_features) for embedding in embeddings
            ),
            "mask_embeddings": embeddings,
            "mask_features": mask_features,
        }

    def draw_kept(self, seed: tf.Tensor, count: int) -> tf.Tensor | None:
        """Which residual branches of the backbone are kept, for each of some images.

        Args:
            seed: int64 [2], different for every step.

        Returns:
            bool [count, branches], or None for a backbone that drops none.
        """
        rates = self.backbone.keep_rates
        if not rates:
            return None
        return tf.random.stateless_uniform([count, len(rates)], seed) < rates

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "model_config": self.model_config.model_dump(mode="json"),
            "num_classes": self.num_classes,
            "precision": self.precision,
        }

    @classmethod
    def from_config(
        cls, values: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> "Mask2Former":
        values = dict(values)
        settings = config.ModelConfig.model_validate(values.pop("model_config"))
        return cls(settings, **values)


def mask_logits(embeddings: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    """Scores every pixel against every embedding by dot product.

    Args:
        embeddings: float32 [B, Q, C].
        features: float32 [B, H, W, C].

    Returns:
        float32 [B, Q, H, W].
    """
    shape = tf.shape(features)
    flat = tf.reshape(features, [shape[0], -1, features.shape[-1]])  # [B, H * W, C]
    logits = tf.matmul(embeddings, flat, transpose_b=True)  # [B, Q, H * W]
    return tf.reshape(logits, [shape[0], -1, shape[1], shape[2]])
