"""Normalisations: frozen batch, group and layer."""

from collections.abc import Callable

import keras
import tensorflow as tf

from model.kernels import compute_target
from model.network import shapes

EPSILON = 1e-5
_MAX_GROUPS = 32
_MIN_GROUP_CHANNELS = 8
_MANY_ROWS = 1000  # from here on one kernel is faster than several passes


def backbone_norm(
    kind: str, channels: int, epsilon: float = EPSILON, **kwargs
) -> keras.layers.Layer:
    """The backbone's normalisation: `frozen_batch`, `batch` or `group`."""
    if kind == "frozen_batch":
        return FrozenBatchNorm(epsilon, **kwargs)
    if kind == "batch":
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=epsilon, **kwargs)
    groups = min(_MAX_GROUPS, max(1, channels // _MIN_GROUP_CHANNELS))
    return GroupNorm(_dividing(groups, channels), epsilon, **kwargs)


def _dividing(most: int, channels: int) -> int:
    """The largest number up to `most` that divides the channels."""
    return next(count for count in range(most, 0, -1) if channels % count == 0)


@keras.saving.register_keras_serializable(package="mask2former")
class FrozenBatchNorm(keras.layers.Layer):
    """Batch normalisation whose four vectors come with the weights and never change.

    `keras.layers.BatchNormalization` does not give its scale and shift, which the
    convolution before it takes into its kernel.

    Call arguments:
        inputs: float [B, H, W, C].
    """

    def __init__(self, epsilon: float = EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, inputs_shape: shapes.Shape) -> None:
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
        scale = tf.convert_to_tensor(self.gamma) * tf.math.rsqrt(
            variance + self.epsilon
        )
        return scale, self.beta - self.moving_mean * scale

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        scale, shift = self.affine()
        return inputs * tf.cast(scale, inputs.dtype) + tf.cast(shift, inputs.dtype)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="mask2former")
class GroupNorm(keras.layers.Layer):
    """Group normalisation (Wu and He 2018): statistics per image and channel group.

    Kept beside `keras.layers.GroupNormalization`, whose reductions are slower: on maps
    of 60x60x256 and 120x120x256 it takes 2.0 to 2.8 times as long forward and 1.3 to
    1.7 times with the gradient, in float32 and mixed_bfloat16, with and without oneDNN
    (2 cores).

    Call arguments:
        inputs: float [B, H, W, C], C a multiple of `groups`.
    """

    def __init__(self, groups: int, epsilon: float = EPSILON, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups
        self.epsilon = epsilon

    def build(self, inputs_shape: shapes.Shape) -> None:
        self.gamma = self.add_weight(
            name="gamma", shape=(inputs_shape[-1],), initializer="ones", autocast=False
        )
        self.beta = self.add_weight(
            name="beta", shape=(inputs_shape[-1],), initializer="zeros", autocast=False
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        batch, channels = tf.shape(inputs)[0], inputs.shape[-1]
        grouped = [batch, 1, 1, self.groups, channels // self.groups]
        spread = tf.ones([1, 1, 1, 1, channels // self.groups])

        def per_channel(pixel_means: tf.Tensor) -> tf.Tensor:
            """Group means, [B, 1, 1, C] as the means of pixels."""
            means = tf.reduce_mean(tf.reshape(pixel_means, grouped), 4, keepdims=True)
            return tf.reshape(means * spread, [batch, 1, 1, channels])

        values = tf.cast(inputs, tf.float32)
        mean = per_channel(tf.reduce_mean(values, axis=(1, 2), keepdims=True))
        centred = values - mean
        variance = per_channel(
            tf.reduce_mean(tf.square(centred), axis=(1, 2), keepdims=True)
        )
        scale = tf.math.rsqrt(variance + self.epsilon) * self.gamma
        return tf.cast(centred * scale + self.beta, inputs.dtype)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "groups": self.groups,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable(package="mask2former")
class LayerNorm(keras.layers.Layer):
    """Layer normalisation over the last axis, computed in float32.

    `keras.layers.LayerNormalization` has neither the form that becomes one kernel nor a
    gradient that keeps one tensor.

    Call arguments:
        inputs: float [..., C].
    """

    def build(self, inputs_shape: shapes.Shape) -> None:
        self.gamma = self.add_weight(
            name="gamma", shape=(inputs_shape[-1],), initializer="ones", autocast=False
        )
        self.beta = self.add_weight(
            name="beta", shape=(inputs_shape[-1],), initializer="zeros", autocast=False
        )

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        values = tf.cast(inputs, tf.float32)
        # The optimizer leaves the form alone where a gradient needs its parts.
        if training is False and _pays_in_one_kernel(inputs):
            outputs = _in_one_kernel(values, self.gamma, self.beta)
        else:
            outputs = _standardised(values) * self.gamma + self.beta
        return tf.cast(outputs, inputs.dtype)


def _pays_in_one_kernel(inputs: tf.Tensor) -> bool:
    """Is there such a kernel, and does an image have rows enough for it?"""
    if not compute_target.is_cpu() or not compute_target.has_onednn():
        return False
    if inputs.shape.rank not in (2, 3):
        return False
    return inputs.shape[-2] is None or inputs.shape[-2] >= _MANY_ROWS


def _in_one_kernel(
    values: tf.Tensor, gamma: keras.Variable, beta: keras.Variable
) -> tf.Tensor:
    """Layer norm, as batch normalisation of one image whose channels are the rows.

    This is the form by which TensorFlow's graph optimizer knows a layer norm, for which
    oneDNN has one kernel; without that it is right, but slower than the plain form. The
    optimizer would put the kernel on a GPU as well, where there is none: a model that
    was exported by a machine without GPU may be served by one with.
    """
    with tf.device("CPU"):
        shape = tf.shape(values)
        count = tf.reduce_prod(shape[:-1])
        rows = tf.reshape(values, [1, count, values.shape[-1], 1])
        # Vectors of a length known beforehand would become constants, and the form be
        # lost.
        count = tf.raw_ops.PlaceholderWithDefault(input=[count], shape=[1])
        normalised = tf.raw_ops.FusedBatchNormV3(
            x=rows,
            scale=tf.fill(count, 1.0),
            offset=tf.fill(count, 0.0),
            mean=tf.constant([], tf.float32),
            variance=tf.constant([], tf.float32),
            epsilon=EPSILON,
            data_format="NCHW",
            is_training=True,
        )
        return tf.reshape(normalised.y, shape) * gamma + beta


@tf.custom_gradient
def _standardised(
    values: tf.Tensor,
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
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
