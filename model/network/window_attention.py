"""Self-attention inside of windows (Liu et al. 2021, arXiv 2103.14030)."""

import math

import keras
import numpy as np
import tensorflow as tf

from model.kernels import products
from model.network import initializers, linear, shapes

_APART = -100.0  # as published; e^-100 of a probability is none in float32
Side = int | tf.Tensor


class WindowAttention(keras.layers.Layer):
    """Multi-head attention of the pixels of a window to each other; softmax in float32.

    A map whose sides are no multiples of the window gets zeros below and to the right,
    which are looked at like other pixels: published weights were trained so.

    Call arguments:
        pixels: float [B, H, W, C].
        apart: `apart_by_shift` of this size, or None if there is no shift.

    Returns:
        float [B, H, W, C].
    """

    def __init__(
        self, channels: int, num_heads: int, window: int, shift: int, **kwargs
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.num_heads = num_heads
        self.window = window
        self.shift = shift
        self.inputs = [self._linear(name) for name in ("query", "key", "value")]
        self.output_projection = self._linear("output")
        self._places = relative_places(window)

    def _linear(self, name: str) -> linear.Linear:
        return linear.Linear(
            self.channels,
            initializers.swin(),
            keras.initializers.Zeros(),
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, pixels_shape: shapes.Shape) -> None:
        for layer in (*self.inputs, self.output_projection):
            layer.build((None, None, self.channels))
        self.relative_position_bias = self.add_weight(
            name="relative_position_bias",
            shape=((2 * self.window - 1) ** 2, self.num_heads),
            initializer=initializers.swin(),
            autocast=False,
        )

    def call(self, pixels: tf.Tensor, apart: tf.Tensor | None = None) -> tf.Tensor:
        height, width = sides(pixels)
        padded = padded_to(pixels, self.window)
        if self.shift:
            padded = tf.roll(padded, [-self.shift, -self.shift], axis=[1, 2])
        tokens = windows_of(padded, self.window)
        attended = self._attended(tokens, apart)
        found = map_of(attended, *sides(padded), self.window)
        if self.shift:
            found = tf.roll(found, [self.shift, self.shift], axis=[1, 2])
        return found[:, :height, :width]

    def _attended(self, tokens: tf.Tensor, apart: tf.Tensor | None) -> tf.Tensor:
        """Tokens [B * windows, N, C] after attention inside of each window."""
        count, size = self.window**2, self.channels // self.num_heads
        rows = tf.reshape(tokens, [-1, self.channels])
        projected = products.linear(rows, *self._input_weights())  # [.., 3 * C]
        projected = tf.reshape(projected, [-1, count, 3, self.num_heads, size])
        projected = tf.transpose(projected, [2, 0, 3, 1, 4])
        queries, keys, values = tf.unstack(projected)  # [B * windows, heads, N, size]
        scores = tf.cast(tf.matmul(queries, keys, transpose_b=True), tf.float32)
        scores = self._with_biases(scores, apart)
        probs = tf.cast(tf.nn.softmax(scores), values.dtype)
        looked_up = tf.transpose(probs @ values, [0, 2, 1, 3])
        return self.output_projection(tf.reshape(looked_up, [-1, count, self.channels]))

    def _input_weights(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Kernel [C, 3 * C] and bias [3 * C] of one product for all three.

        The scale of the scores is in the part of the queries: it has fewer numbers.
        """
        scale = 1.0 / math.sqrt(self.channels // self.num_heads)
        kernels = [tf.convert_to_tensor(layer.kernel) for layer in self.inputs]
        biases = [tf.convert_to_tensor(layer.bias) for layer in self.inputs]
        kernels[0], biases[0] = kernels[0] * scale, biases[0] * scale
        return tf.concat(kernels, axis=1), tf.concat(biases, axis=0)

    def _with_biases(self, scores: tf.Tensor, apart: tf.Tensor | None) -> tf.Tensor:
        """Adds what depends on places to float32 [B * windows, heads, N, N]."""
        shape = [self.num_heads, self.window**2, self.window**2]
        table = tf.transpose(tf.convert_to_tensor(self.relative_position_bias))
        # Along the second axis: along the first, a sparse gradient would come out.
        biases = tf.reshape(tf.gather(table, self._places, axis=1), shape)
        if apart is None:
            return scores + biases
        penalties = tf.where(apart, _APART, 0.0)[:, tf.newaxis]
        biases = biases + penalties  # [windows, heads, N, N]
        by_image = tf.reshape(scores, [-1, tf.shape(apart)[0], *shape])
        return tf.reshape(by_image + biases, [-1, *shape])


def relative_places(window: int) -> np.ndarray:
    """Rows of the table of biases for all pairs of a window's pixels.

    Returns:
        int32 [N * N], N = window²: of query and key, the rows and columns between them.
    """
    rows, columns = np.indices((window, window)).reshape(2, -1) + (window - 1)
    rows = rows[:, np.newaxis] - rows + window - 1  # [N, N], 0 .. 2 * window - 2
    columns = columns[:, np.newaxis] - columns + window - 1
    return (rows * (2 * window - 1) + columns).astype(np.int32).reshape(-1)


def apart_by_shift(height: Side, width: Side, window: int, shift: int) -> tf.Tensor:
    """Pairs of pixels that are in one window only because of the shift.

    Args:
        height, width: of the map before zeros are added.

    Returns:
        bool [windows, N, N], whether a pixel does not see another.
    """

    def regions(side: Side) -> tf.Tensor:
        side += -side % window
        places = tf.range(side)
        return sum(tf.cast(places >= side - end, tf.int32) for end in (window, shift))

    numbers = 3 * regions(height)[:, tf.newaxis] + regions(width)
    numbers = windows_of(numbers[tf.newaxis, ..., tf.newaxis], window)[..., 0]
    return numbers[:, :, tf.newaxis] != numbers[:, tf.newaxis]  # [windows, N, N]


def sides(pixels: tf.Tensor) -> tuple[Side, Side]:
    """Height and width of a map, as numbers where they are known beforehand."""
    known, found = pixels.shape[1:3], tf.shape(pixels)
    height, width = (
        found[axis] if side is None else side for axis, side in enumerate(known, 1)
    )
    return height, width


def padded_to(pixels: tf.Tensor, multiple: int) -> tf.Tensor:
    """Zeros below and to the right of [B, H, W, C], up to multiples."""
    bottom, right = (-side % multiple for side in sides(pixels))
    if isinstance(bottom, int) and isinstance(right, int) and bottom == right == 0:
        return pixels
    return tf.pad(pixels, [[0, 0], [0, bottom], [0, right], [0, 0]])


def windows_of(pixels: tf.Tensor, window: int) -> tf.Tensor:
    """Cuts a map [B, H, W, C] into [B * windows, N, C], row by row."""
    height, width = sides(pixels)
    channels = pixels.shape[-1]
    cut = [-1, height // window, window, width // window, window, channels]
    parts = tf.transpose(tf.reshape(pixels, cut), [0, 1, 3, 2, 4, 5])
    return tf.reshape(parts, [-1, window**2, channels])


def map_of(tokens: tf.Tensor, height: Side, width: Side, window: int) -> tf.Tensor:
    """The map [B, H, W, C] whose windows [B * windows, N, C] are."""
    channels = tokens.shape[-1]
    cut = [-1, height // window, width // window, window, window, channels]
    parts = tf.transpose(tf.reshape(tokens, cut), [0, 1, 3, 2, 4, 5])
    return tf.reshape(parts, [-1, height, width, channels])
