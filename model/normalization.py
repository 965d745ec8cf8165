"""Normalisations: frozen batch, group and layer, all with epsilon 1e-5."""

import keras
import tensorflow as tf

EPSILON = 1e-5
_MAX_GROUPS = 32
_MIN_GROUP_CHANNELS = 8


def backbone_norm(kind: str, channels: int, **kwargs) -> keras.layers.Layer:
    """The backbone's normalisation: `frozen_batch`, `batch` or `group`."""
    if kind == "frozen_batch":
        return FrozenBatchNorm(**kwargs)
    if kind == "batch":
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=EPSILON, **kwargs)
    groups = min(_MAX_GROUPS, max(1, channels // _MIN_GROUP_CHANNELS))
    return GroupNorm(groups, **kwargs)


@keras.saving.register_keras_serializable(package="mask2former")
class FrozenBatchNorm(keras.layers.Layer):
    """Batch normalisation whose four vectors come with the weights and never change.

    Call arguments:
        inputs: float [B, H, W, C].
    """

    def build(self, inputs_shape):
        starts = {
            "gamma": "ones",
            "beta": "zeros",
            "moving_mean": "zeros",
            "moving_variance": "ones",
        }
        for name, start in starts.items():
            weight = self.add_weight(
                name=name,
                shape=(inputs_shape[-1],),
                initializer=start,
                trainable=False,
                autocast=False,
            )
            setattr(self, name, weight)

    def affine(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Scale and shift of each channel, float32 [C] each."""
        variance = tf.convert_to_tensor(self.moving_variance)
        scale = tf.convert_to_tensor(self.gamma) * tf.math.rsqrt(variance + EPSILON)
        return scale, self.beta - self.moving_mean * scale

    def call(self, inputs):
        scale, shift = self.affine()
        return inputs * tf.cast(scale, inputs.dtype) + tf.cast(shift, inputs.dtype)


@keras.saving.register_keras_serializable(package="mask2former")
class GroupNorm(keras.layers.Layer):
    """Group normalisation (Wu and He 2018): statistics per image and channel group.

    Call arguments:
        inputs: float [B, H, W, C], C a multiple of `groups`.
    """

    def __init__(self, groups: int, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups

    def build(self, inputs_shape):
        self.gamma = self.add_weight(
            name="gamma", shape=(inputs_shape[-1],), initializer="ones", autocast=False
        )
        self.beta = self.add_weight(
            name="beta", shape=(inputs_shape[-1],), initializer="zeros", autocast=False
        )

    def call(self, inputs):
        batch, channels = tf.shape(inputs)[0], inputs.shape[-1]
        grouped = [batch, 1, 1, self.groups, channels // self.groups]
        spread = tf.ones([1, 1, 1, 1, channels // self.groups])

        def per_channel(pixel_means):  # [B, 1, 1, C] -> group means, same shape
            means = tf.reduce_mean(tf.reshape(pixel_means, grouped), 4, keepdims=True)
            return tf.reshape(means * spread, [batch, 1, 1, channels])

        values = tf.cast(inputs, tf.float32)
        mean = per_channel(tf.reduce_mean(values, axis=(1, 2), keepdims=True))
        centred = values - mean
        variance = per_channel(
            tf.reduce_mean(tf.square(centred), axis=(1, 2), keepdims=True)
        )
        scale = tf.math.rsqrt(variance + EPSILON) * self.gamma
        return tf.cast(centred * scale + self.beta, inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}


@keras.saving.register_keras_serializable(package="mask2former")
class LayerNorm(keras.layers.Layer):
    """Layer normalisation over the last axis, computed in float32.

    Call arguments:
        inputs: float [..., C].
    """

    def build(self, inputs_shape):
        self.gamma = self.add_weight(
            name="gamma", shape=(inputs_shape[-1],), initializer="ones", autocast=False
        )
        self.beta = self.add_weight(
            name="beta", shape=(inputs_shape[-1],), initializer="zeros", autocast=False
        )

    def call(self, inputs):
        normalised = _standardised(tf.cast(inputs, tf.float32))
        return tf.cast(normalised * self.gamma + self.beta, inputs.dtype)


@tf.custom_gradient
def _standardised(values: tf.Tensor):
    """Mean 0 and variance 1 over the last axis; keeps one tensor for the gradient."""
    centred = values - tf.reduce_mean(values, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    scale = tf.math.rsqrt(variance + EPSILON)
    outputs = centred * scale

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        along = tf.reduce_mean(upstream * outputs, axis=-1, keepdims=True)
        mean = tf.reduce_mean(upstream, axis=-1, keepdims=True)
        return scale * (upstream - mean - outputs * along)

    return outputs, gradient
