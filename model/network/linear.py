"""The linear layer of attention blocks and heads."""

import keras
import tensorflow as tf

from model.kernels import products
from model.network import initializers, shapes


@keras.saving.register_keras_serializable(package="mask2former")
class Linear(keras.layers.Layer):
    """Multiplies the last axis by a kernel, as one matrix product.

    In place of `keras.layers.Dense` for the gradients of `products.linear`.

    Call arguments:
        inputs: float [..., C].

    Returns:
        float [..., units].
    """

    def __init__(
        self,
        units: int,
        kernel_initializer: keras.initializers.Initializer | None = None,
        bias_initializer: keras.initializers.Initializer | None = None,
        activation: str | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.activation = keras.activations.get(activation)

    def build(self, inputs_shape: shapes.Shape) -> None:
        channels = inputs_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, self.units),
            initializer=self.kernel_initializer or initializers.linear_kernel(),
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.units,),
            initializer=self.bias_initializer or initializers.linear_bias(channels),
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.kernel)
        flat = tf.reshape(inputs, [-1, kernel.shape[0]])
        outputs = products.linear(flat, kernel, tf.convert_to_tensor(self.bias))
        # Here, before the shape changes, it becomes part of the product.
        outputs = self.activation(outputs)
        leading = tf.shape(inputs)[:-1]
        outputs = tf.reshape(outputs, tf.concat([leading, [self.units]], axis=0))
        return tf.ensure_shape(outputs, [*inputs.shape[:-1], self.units])

    def get_config(self) -> dict[str, object]:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": serialize(self.kernel_initializer),
            "bias_initializer": serialize(self.bias_initializer),
            "activation": keras.activations.serialize(self.activation),
        }
