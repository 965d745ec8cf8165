"""Matrix products and convolutions whose gradients are the fastest of equal products.

Kernels compute the same gradient at very different rates, depending on which side is
transposed and on whether it is asked for as a product or as a convolution; oneDNN's
have other favourites than TensorFlow's own.
"""

from collections.abc import Callable

import tensorflow as tf

from model.kernels import compute_target

# Of pixels, kernel and upstream, and the padding.
_Gradient = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, str], tf.Tensor]
_WIDE_MAP = 64  # px; from here on a border of two pixels hardly makes a map larger


def linear(rows: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Rows times a kernel, plus a bias.

    Args:
        rows: float [R, C].
        kernel: float [C, units].
        bias: float [units].

    Returns:
        float [R, units].
    """
    is_known = kernel.shape.is_fully_defined()
    is_wide = is_known and kernel.shape[1] > kernel.shape[0]
    if not is_wide or not compute_target.is_cpu():
        return tf.nn.bias_add(rows @ kernel, bias)

    @tf.custom_gradient
    def function(rows: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor):
        def gradient(upstream: tf.Tensor):
            # Batched products have a kernel of their own, the better one for this.
            of_rows = tf.matmul(
                upstream[tf.newaxis], kernel[tf.newaxis], transpose_b=True
            )[0]
            of_kernel = tf.matmul(rows, upstream, transpose_a=True)
            return of_rows, of_kernel, tf.raw_ops.BiasAddGrad(out_backprop=upstream)

        return tf.nn.bias_add(rows @ kernel, bias), gradient

    return function(rows, kernel, bias)


def convolution(
    pixels: tf.Tensor, kernel: tf.Tensor, stride: int, padding: str
) -> tf.Tensor:
    """Two-dimensional convolution.

    Args:
        pixels: float [B, H, W, C].
        kernel: float [k, k, C, channels].
        padding: SAME or VALID.

    Returns:
        float [B, H', W', channels].
    """
    # To be products, both have to be rows of a known length.
    is_known = kernel.shape.is_fully_defined() and pixels.shape[-1] is not None
    if stride > 1 or not is_known or not compute_target.is_cpu():
        return tf.nn.conv2d(pixels, kernel, stride, padding)
    of_pixels = _of_pixels(kernel, padding)
    of_kernel = _of_kernel(pixels, kernel, padding)
    if (of_pixels, of_kernel) == (_pixels, _kernel):
        return tf.nn.conv2d(pixels, kernel, 1, padding)

    @tf.custom_gradient
    def function(pixels: tf.Tensor, kernel: tf.Tensor):
        def gradient(upstream: tf.Tensor):
            upstream = tf.ensure_shape(upstream, outputs.shape)
            return (
                of_pixels(pixels, kernel, upstream, padding),
                of_kernel(pixels, kernel, upstream, padding),
            )

        outputs = tf.nn.conv2d(pixels, kernel, 1, padding)
        return outputs, gradient

    return function(pixels, kernel)


def _of_pixels(kernel: tf.Tensor, padding: str) -> _Gradient:
    """The fastest way to the gradient of a convolution's pixels."""
    if not compute_target.has_onednn():
        if kernel.shape[:2] == [1, 1]:
            return _pixels_by_product
        if kernel.shape[0] % 2 and kernel.shape[1] % 2 and padding == "SAME":
            return _pixels_by_convolution
    return _pixels


def _of_kernel(pixels: tf.Tensor, kernel: tf.Tensor, padding: str) -> _Gradient:
    """The fastest way to the gradient of a convolution's kernel."""
    size = kernel.shape[:2].as_list()
    if size == [1, 1]:
        return _kernel_by_product
    is_wide = all((side or 0) >= _WIDE_MAP for side in pixels.shape[1:3])
    is_shifted = size == [3, 3] and is_wide and padding == "SAME"
    return _kernel_by_shifts if is_shifted else _kernel


def _pixels(
    pixels: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, padding: str
) -> tf.Tensor:
    """Gradient of the pixels as TensorFlow computes it, float [B, H, W, C]."""
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(pixels),
        filter=kernel,
        out_backprop=upstream,
        strides=[1, 1, 1, 1],
        padding=padding,
    )


def _pixels_by_product(
    pixels: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, padding: str
) -> tf.Tensor:
    """Gradient of a 1x1 convolution's pixels, float [B, H, W, C]."""
    rows = tf.reshape(upstream, [-1, upstream.shape[-1]])
    found = tf.matmul(rows, kernel[0, 0], transpose_b=True)
    return tf.reshape(found, tf.shape(pixels))


def _pixels_by_convolution(
    pixels: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, padding: str
) -> tf.Tensor:
    """Gradient of a "SAME" convolution's pixels: one with the kernel turned round."""
    turned = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
    return tf.nn.conv2d(upstream, turned, 1, padding)


def _kernel(
    pixels: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, padding: str
) -> tf.Tensor:
    """Gradient of the kernel as TensorFlow computes it, float [k, k, C, channels]."""
    return tf.raw_ops.Conv2DBackpropFilter(
        input=pixels,
        filter_sizes=tf.shape(kernel),
        out_backprop=upstream,
        strides=[1, 1, 1, 1],
        padding=padding,
    )


def _kernel_by_product(
    pixels: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, padding: str
) -> tf.Tensor:
    """Gradient of a 1x1 kernel, float [1, 1, C, channels]."""
    rows, upstream = (
        tf.reshape(each, [-1, each.shape[-1]]) for each in (pixels, upstream)
    )
    return tf.matmul(rows, upstream, transpose_a=True)[tf.newaxis, tf.newaxis]


def _kernel_by_shifts(
    pixels: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, padding: str
) -> tf.Tensor:
    """Gradient of a 3x3 kernel of a "SAME" convolution, float [3, 3, C, channels].

    With a border of zeros around both maps, the pixels that a place of the kernel is
    multiplied by are all pixels, moved by a number of rows; where a row runs over into
    the next line, the other factor is zero.
    """
    width = pixels.shape[2] + 2
    border = [[0, 0], [1, 1], [1, 1], [0, 0]]
    rows, upstream = (
        tf.reshape(tf.pad(each, border), [-1, each.shape[-1]])
        for each in (pixels, upstream)
    )
    first = width + 1  # the first row of `upstream` that is no border
    count = tf.shape(rows)[0] - 2 * first
    upstream = upstream[first : first + count]
    places = [
        tf.matmul(rows[start : start + count], upstream, transpose_a=True)
        for start in (line * width + column for line in range(3) for column in range(3))
    ]
    return tf.reshape(tf.stack(places), [3, 3, *places[0].shape])
