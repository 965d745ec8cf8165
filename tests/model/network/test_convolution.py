import numpy as np
import pytest
import tensorflow as tf
from scipy import signal

from model.network import convolution

pytestmark = pytest.mark.onednn


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (1, 2), (3, 2), (7, 2)])
def test_convolution_pads_both_sides_equally(size, stride):
    inputs = tf.random.stateless_normal([1, 8, 10, 1], [0, 1]).numpy()
    layer = convolution.Convolution(1, size, stride)
    outputs = layer(inputs).numpy()[0, :, :, 0]
    kernel = layer.kernel.numpy()[:, :, 0, 0]
    padded = np.pad(inputs[0, :, :, 0], size // 2)
    expected = signal.correlate2d(padded, kernel, "valid")[::stride, ::stride]
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("side", [7, 8])
def test_same_padding_puts_the_odd_zero_below_and_right(size, stride, side):
    inputs = tf.random.stateless_normal([1, side, side, 1], [0, 1]).numpy()
    missing = max((-(-side // stride) - 1) * stride + size - side, 0)
    border = missing // 2, missing - missing // 2
    padded = np.pad(inputs[0, :, :, 0], [border, border])
    for layer in (
        convolution.Convolution(1, size, stride, padding="same"),
        convolution.DepthwiseConvolution(size, stride),
    ):
        outputs = layer(inputs).numpy()[0, :, :, 0]
        kernel = layer.kernel.numpy()[:, :, 0, 0]
        expected = signal.correlate2d(padded, kernel, "valid")[::stride, ::stride]
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
        twin = type(layer).from_config(layer.get_config())
        assert twin(inputs).shape == layer(inputs).shape


def test_a_depthwise_convolution_takes_scale_and_shift_into_its_kernel():
    inputs = tf.random.stateless_normal([1, 5, 5, 3], [0, 1])
    layer = convolution.DepthwiseConvolution(3)
    scale, shift = tf.constant([2.0, -1.0, 0.5]), tf.constant([1.0, 0.0, -3.0])
    expected = layer(inputs) * scale + shift
    np.testing.assert_allclose(layer(inputs, (scale, shift)), expected, atol=1e-5)


def test_convolution_adds_its_bias():
    layer = convolution.Convolution(2, 1, use_bias=True)
    layer.build((None, None, None, 3))
    layer.bias.assign([1.0, -2.0])
    assert layer(tf.zeros([1, 1, 1, 3])).numpy().ravel().tolist() == [1.0, -2.0]


def test_convolution_can_be_made_again_from_its_config():
    layer = convolution.Convolution(4, 3, 2, use_bias=True)
    twin = convolution.Convolution.from_config(layer.get_config())
    assert twin(tf.zeros([1, 8, 8, 3])).shape == [1, 4, 4, 4]
    assert len(twin.weights) == 2
