"""What every backbone is: a stem, then stages whose outputs are the features."""

import keras
import tensorflow as tf

from model.network import shapes


class StagedBackbone(keras.layers.Layer):
    """Features of every stage, one after the other.

    Call arguments:
        images: float [B, H, W, 3], normalised RGB, H and W multiples of 32.

    Attributes:
        stem: has a convolution `conv`, which says its `channels`.
        stages: four, each with `channels`.
        keep_rates: of each residual branch that is dropped at random in training, how
            often it is kept; such a backbone takes `kept`, bool [B, branches], too.

    Returns:
        Tuple of four float [B, H/s, W/s, C_s], s = 4, 8, 16, 32.
    """

    stem: keras.layers.Layer
    stages: list[keras.layers.Layer]
    keep_rates: tuple[float, ...] = ()

    @property
    def part_names(self) -> list[str]:
        """Names of stem and stages, in the order that images pass them."""
        return [part.name for part in [self.stem, *self.stages]]

    def freeze_all_but(self, trained_stages: int) -> None:
        """Trains the last so many of stem and stages; call before `build`."""
        parts = [self.stem, *self.stages]
        for part in parts[: len(parts) - trained_stages]:
            part.trainable = False

    def build(self, images_shape: shapes.Shape) -> None:
        self.stem.build(images_shape)
        shape = shapes.with_channels(images_shape, self.stem.conv.channels)
        for stage in self.stages:
            stage.build(shape)
            shape = shapes.with_channels(shape, stage.channels)

    def call(self, images: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, ...]:
        pixels = self.stem(images, training=training)
        features = []
        for stage in self.stages:
            pixels = stage(pixels, training=training)
            features.append(pixels)
        return tuple(features)
