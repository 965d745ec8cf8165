"""Convolutions, padded as the published weights expect."""

from typing import Literal

import keras
import tensorflow as tf

from model.kernels import depthwise, products
from model.network import initializers, normalization, shapes


@keras.saving.register_keras_serializable(package="mask2former")
class Convolution(keras.layers.Layer):
    """Two-dimensional convolution with zeros around the pixels.

    `padding` "equal" puts kernel_size // 2 of them on every side. TensorFlow's "same"
    pads a strided convolution more on the right and bottom, which shifts every feature
    against weights that were trained with the other.

    Call arguments:
        inputs: float [B, H, W, C].
        affine: float32 [channels] each, scale and shift of the outputs, which go into
            the kernel and the bias: the same function, two passes over pixels less.

    Returns:
        float [B, ceil(H / stride), ceil(W / stride), channels] for odd kernels.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        stride: int = 1,
        use_bias: bool = False,
        kernel_initializer: keras.initializers.Initializer | None = None,
        padding: Literal["equal", "same"] = "equal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.use_bias = use_bias
        self.padding = padding
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, inputs_shape: shapes.Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, inputs_shape[-1], self.channels),
            initializer=self.kernel_initializer or initializers.c2_msra(),
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.channels,), initializer="zeros"
            )

    def call(
        self, inputs: tf.Tensor, affine: tuple[tf.Tensor, tf.Tensor] | None = None
    ) -> tf.Tensor:
        padding = "SAME"
        if self.stride > 1 and self.padding == "equal":
            side = [self.kernel_size // 2] * 2
            inputs = tf.pad(inputs, [[0, 0], side, side, [0, 0]])
            padding = "VALID"
        kernel = tf.convert_to_tensor(self.kernel)
        bias = tf.convert_to_tensor(self.bias) if self.use_bias else None
        if affine is not None:
            scale, shift = (tf.cast(vector, kernel.dtype) for vector in affine)
            kernel *= scale
            bias = shift if bias is None else bias * scale + shift
        outputs = products.convolution(inputs, kernel, self.stride, padding)
        return outputs if bias is None else tf.nn.bias_add(outputs, bias)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "padding": self.padding,
        }


@keras.saving.register_keras_serializable(package="mask2former")
class DepthwiseConvolution(keras.layers.Layer):
    """Convolution of every channel with a kernel of its own, padded as "same" does.

    Call arguments:
        inputs: float [B, H, W, C].
        affine: float32 [C] each, as of `Convolution`.

    Returns:
        float [B, ceil(H / stride), ceil(W / stride), C].
    """

    def __init__(self, kernel_size: int, stride: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.stride = stride

    def build(self, inputs_shape: shapes.Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, inputs_shape[-1], 1),
            initializer=initializers.c2_msra(),
        )

    def call(
        self, inputs: tf.Tensor, affine: tuple[tf.Tensor, tf.Tensor] | None = None
    ) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.kernel)
        if affine is None:
            return depthwise.convolution(inputs, kernel, self.stride)
        scale, shift = (tf.cast(vector, kernel.dtype) for vector in affine)
        kernel *= scale[:, tf.newaxis]
        outputs = depthwise.convolution(inputs, kernel, self.stride)
        return tf.nn.bias_add(outputs, shift)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "stride": self.stride,
        }


def normalised(
    conv: Convolution | DepthwiseConvolution,
    norm: keras.layers.Layer,
    pixels: tf.Tensor,
    training: bool,
) -> tf.Tensor:
    """A convolution and its normalisation."""
    if isinstance(norm, normalization.FrozenBatchNorm):
        return conv(pixels, affine=norm.affine())
    pixels = conv(pixels)
    if isinstance(norm, keras.layers.BatchNormalization):
        return norm(pixels, training=training and norm.trainable)
    return norm(pixels)
