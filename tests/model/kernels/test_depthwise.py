"""Outputs and gradients against sums written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from model.kernels import compute_target, depthwise

pytestmark = pytest.mark.onednn

_GRADIENT = "DepthwiseConv2dNativeBackpropFilter"


def _by_hand(pixels, kernel, upstream, stride):
    """Outputs and gradients of pixels and kernel, float64."""
    size = kernel.shape[0]
    out = upstream.shape[1:3]
    borders = []
    for side, length in zip(pixels.shape[1:3], out, strict=True):
        missing = max((length - 1) * stride + size - side, 0)
        borders.append((missing // 2, missing - missing // 2))
    padded = np.pad(pixels.astype(np.float64), [(0, 0), *borders, (0, 0)])
    outputs, of_padded = np.zeros(upstream.shape), np.zeros_like(padded)
    of_kernel = np.zeros(kernel.shape)
    for line, column in np.ndindex(size, size):
        rows = slice(line, line + (out[0] - 1) * stride + 1, stride)
        columns = slice(column, column + (out[1] - 1) * stride + 1, stride)
        place = padded[:, rows, columns]
        outputs += place * kernel[line, column, :, 0]
        of_padded[:, rows, columns] += upstream * kernel[line, column, :, 0]
        of_kernel[line, column, :, 0] = (place * upstream).sum(axis=(0, 1, 2))
    (top, _), (left, _) = borders
    inside = of_padded[:, top : top + pixels.shape[1], left : left + pixels.shape[2]]
    return outputs, inside, of_kernel


@pytest.mark.parametrize("has_onednn", [False, True])
@pytest.mark.parametrize("is_for_xla", [False, True])
@pytest.mark.parametrize("has_size", [False, True])
@pytest.mark.parametrize(
    ("sides", "size", "stride"),
    [((6, 8), 3, 1), ((6, 8), 5, 1), ((8, 6), 5, 2), ((7, 9), 5, 2), ((2, 1), 5, 1)],
)
def test_convolution_and_its_gradients(
    sides, size, stride, has_size, is_for_xla, has_onednn, monkeypatch
):
    monkeypatch.setattr(compute_target, "has_onednn", lambda: has_onednn)
    rng = np.random.default_rng(7)
    out = [-(-side // stride) for side in sides]
    pixels = rng.normal(size=(2, *sides, 3)).astype(np.float32)
    kernel = rng.normal(size=(size, size, 3, 1)).astype(np.float32)
    upstream = rng.normal(size=(2, *out, 3)).astype(np.float32)
    shape = pixels.shape if has_size else [None, None, None, 3]

    @tf.function(input_signature=[tf.TensorSpec(shape), tf.TensorSpec(kernel.shape)])
    def run(pixels, kernel):
        with compute_target.for_xla(is_for_xla), tf.GradientTape() as tape:
            tape.watch([pixels, kernel])
            outputs = depthwise.convolution(pixels, kernel, stride)
        gradients = tape.gradient(outputs, [pixels, kernel], output_gradients=upstream)
        return outputs, *gradients

    wanted = _by_hand(pixels, kernel, upstream, stride)
    for found, each in zip(run(pixels, kernel), wanted, strict=True):
        np.testing.assert_allclose(found, each, atol=1e-4)
    graph = run.get_concrete_function().graph
    parts = [each for each in graph.get_operations() if each.type == _GRADIENT]
    in_parts = size > 3 and has_onednn and not is_for_xla
    assert len(parts) == (2 if in_parts else 1)
