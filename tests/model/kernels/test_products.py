"""Outputs and gradients against sums written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from model.kernels import compute_target, products

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
        with compute_target.for_xla(is_for_xla), tf.GradientTape() as tape:
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
    monkeypatch.setattr(compute_target, "has_onednn", lambda: has_onednn)
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


@pytest.mark.parametrize("has_onednn", [False, True])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 3), (4, 4), (3, 2), (1, 3)])
@pytest.mark.parametrize("sides", [(6, 8), (66, 65)])
def test_every_kernel_has_the_gradients_that_tensorflow_finds(
    sides, size, padding, has_onednn, monkeypatch
):
    monkeypatch.setattr(compute_target, "has_onednn", lambda: has_onednn)
    pixels, kernel = _draw((2, *sides, 3), (*size, 3, 4))
    (upstream,) = _draw(tf.nn.conv2d(pixels, kernel, 1, padding).shape)
    found, wanted = (
        _run(
            lambda pixels, kernel, convolve=convolve: convolve(
                pixels, kernel, 1, padding
            ),
            (pixels, kernel),
            upstream,
        )
        for convolve in (products.convolution, tf.nn.conv2d)
    )
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-4)
    np.testing.assert_allclose(found[1][0], wanted[1][0], atol=1e-4)
    np.testing.assert_allclose(found[1][1], wanted[1][1], rtol=1e-4, atol=2e-3)


def test_a_wide_convolution_without_border_is_left_to_tensorflow():
    pixels, kernel, upstream = _draw((1, 66, 66, 2), (3, 3, 2, 3), (1, 64, 64, 3))
    *_, kinds = _run(
        lambda pixels, kernel: products.convolution(pixels, kernel, 1, "VALID"),
        (pixels, kernel),
        upstream,
    )
    assert _OWN_GRADIENT in kinds


def test_a_convolution_with_a_stride_is_left_to_tensorflow():
    pixels, kernel = _draw((1, 65, 65, 2), (3, 3, 2, 2))
    found = products.convolution(tf.constant(pixels), tf.constant(kernel), 2, "VALID")
    np.testing.assert_array_equal(found, tf.nn.conv2d(pixels, kernel, 2, "VALID"))


@pytest.mark.parametrize("has_onednn", [False, True])
@pytest.mark.parametrize(
    ("of_pixels", "of_kernel"),
    [
        ([None, None, None, 2], [3, 3, 2, 2]),
        ([None, None, None, None], [3, 3, 2, 2]),
        ([1, 70, 70, 2], [None, None, 2, 2]),
        ([1, 70, 70, 2], [3, 3, None, None]),
    ],
)
def test_convolutions_of_sizes_known_only_when_run_have_the_same_gradients(
    of_pixels, of_kernel, has_onednn, monkeypatch
):
    monkeypatch.setattr(compute_target, "has_onednn", lambda: has_onednn)

    def gradients(pixels, kernel):
        with tf.GradientTape() as tape:
            tape.watch([pixels, kernel])
            outputs = products.convolution(pixels, kernel, 1, "SAME")
        return tape.gradient(outputs, [pixels, kernel])

    specs = [tf.TensorSpec(of_pixels), tf.TensorSpec(of_kernel)]
    arguments = [tf.constant(each) for each in _draw((1, 70, 70, 2), (3, 3, 2, 2))]
    found = tf.function(gradients, input_signature=specs)(*arguments)
    for each, wanted in zip(found, gradients(*arguments), strict=True):
        np.testing.assert_allclose(each, wanted, rtol=1e-4, atol=1e-2)


def test_a_linear_layer_of_a_size_known_only_when_run_has_the_same_gradients():
    def gradients(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            outputs = products.linear(*arguments)
        return tape.gradient(outputs, arguments)

    specs = [tf.TensorSpec([None] * rank) for rank in (2, 2, 1)]
    arguments = [tf.constant(each) for each in _draw((7, 5), (5, 9), (9,))]
    found = tf.function(gradients, input_signature=specs)(*arguments)
    for each, wanted in zip(found, gradients(*arguments), strict=True):
        np.testing.assert_allclose(each, wanted, atol=1e-4)
