"""Outputs and gradients against sums written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from model.kernels import cpu_kernels, products

pytestmark = pytest.mark.onednn

_OWN_GRADIENT = "Conv2DBackpropFilter"
_OWN_PIXELS_GRADIENT = "Conv2DBackpropInput"


def _draw(*shapes):
    rng = np.random.default_rng(7)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def _run(function, arguments, upstream, is_for_xla=False):
    """Outputs, gradients and the kinds of operations they are made of."""

    @tf.function
    def run(*arguments):
        with cpu_kernels.unless(is_for_xla), tf.GradientTape() as tape:
            tape.watch(arguments)
            outputs = function(*arguments)
        return outputs, tape.gradient(outputs, arguments, output_gradients=upstream)

    arguments = [tf.constant(argument) for argument in arguments]
    graph = run.get_concrete_function(*arguments).graph
    return *run(*arguments), {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("is_for_xla", [False, True])
@pytest.mark.parametrize("units", [3, 9])
def test_linear_and_its_gradients(units, is_for_xla):
    rows, kernel, bias, upstream = _draw((7, 5), (5, units), (units,), (7, units))
    outputs, gradients, _ = _run(
        products.linear, (rows, kernel, bias), upstream, is_for_xla
    )
    expected = rows @ kernel + bias, upstream @ kernel.T, rows.T @ upstream
    for found, wanted in zip((outputs, *gradients[:2]), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    np.testing.assert_allclose(gradients[2], upstream.sum(axis=0), atol=1e-4)


@pytest.mark.parametrize("has_onednn", [False, True])
@pytest.mark.parametrize("is_for_xla", [False, True])
@pytest.mark.parametrize(
    ("sides", "size", "has_own_gradient"),
    [((5, 7), 3, True), ((64, 66), 3, False), ((5, 7), 1, False)],
)
def test_convolution_and_its_gradients(
    sides, size, has_own_gradient, is_for_xla, has_onednn, monkeypatch
):
    monkeypatch.setattr(cpu_kernels, "have_onednn", lambda: has_onednn)
    shapes = (2, *sides, 3), (size, size, 3, 4), (2, *sides, 4)
    pixels, kernel, upstream = _draw(*shapes)
    outputs, gradients, kinds = _run(
        lambda pixels, kernel: products.convolution(pixels, kernel, 1, "SAME"),
        (pixels, kernel),
        upstream,
        is_for_xla,
    )
    side = size // 2
    padded = np.pad(pixels, [(0, 0), (side, side), (side, side), (0, 0)])
    wanted, of_kernel = np.zeros_like(upstream), np.zeros_like(kernel)
    of_padded = np.zeros_like(padded)
    for line in range(size):
        for column in range(size):
            window = np.s_[:, line : line + sides[0], column : column + sides[1]]
            wanted += padded[window] @ kernel[line, column]
            of_kernel[line, column] = np.einsum("bhwi,bhwo", padded[window], upstream)
            of_padded[window] += upstream @ kernel[line, column].T
    inner = np.s_[:, side : side + sides[0], side : side + sides[1]]
    np.testing.assert_allclose(outputs, wanted, atol=1e-4)
    np.testing.assert_allclose(gradients[0], of_padded[inner], atol=1e-4)
    np.testing.assert_allclose(gradients[1], of_kernel, rtol=1e-4, atol=2e-3)
    assert (_OWN_GRADIENT in kinds) == (has_own_gradient or is_for_xla)
    assert (_OWN_PIXELS_GRADIENT in kinds) == (has_onednn or is_for_xla)


def test_a_wide_convolution_without_border_has_its_own_gradient():
    pixels, kernel, upstream = _draw((1, 66, 66, 2), (3, 3, 2, 3), (1, 64, 64, 3))
    _, gradients, kinds = _run(
        lambda pixels, kernel: products.convolution(pixels, kernel, 1, "VALID"),
        (pixels, kernel),
        upstream,
    )
    assert gradients[1].shape == kernel.shape and _OWN_GRADIENT in kinds


def test_a_convolution_with_a_stride_is_left_to_tensorflow():
    pixels, kernel = _draw((1, 65, 65, 2), (3, 3, 2, 2))
    found = products.convolution(tf.constant(pixels), tf.constant(kernel), 2, "VALID")
    np.testing.assert_array_equal(found, tf.nn.conv2d(pixels, kernel, 2, "VALID"))


def test_sizes_known_only_when_run_are_left_to_tensorflow():
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 2]),
            tf.TensorSpec([3, 3, 2, 2]),
        ]
    )
    def gradient(pixels, kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            outputs = products.convolution(pixels, kernel, 1, "SAME")
        return tape.gradient(outputs, kernel)

    pixels, kernel = _draw((1, 70, 70, 2), (3, 3, 2, 2))
    with tf.GradientTape() as tape:
        known = tf.constant(kernel)
        tape.watch(known)
        outputs = products.convolution(tf.constant(pixels), known, 1, "SAME")
    np.testing.assert_allclose(
        gradient(pixels, kernel), tape.gradient(outputs, known), rtol=1e-4, atol=1e-2
    )
