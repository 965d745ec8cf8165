import math

import numpy as np
import pytest
import tensorflow as tf

from model.network import position_encoding


def _brute_force(height, width, channels):
    half = channels // 2
    encoded = np.zeros([height, width, channels])
    for y in range(height):
        for x in range(width):
            for place, size, first in ((y, height, 0), (x, width, half)):
                angle = (place + 1) / (size + 1e-6) * 2 * math.pi
                for channel in range(half):
                    value = angle / 10000 ** (2 * (channel // 2) / half)
                    function = math.cos if channel % 2 else math.sin
                    encoded[y, x, first + channel] = function(value)
    return encoded


@pytest.mark.parametrize(("height", "width", "channels"), [(3, 5, 8), (1, 4, 12)])
def test_encoding_is_the_formula_pixel_by_pixel(height, width, channels):
    np.testing.assert_allclose(
        position_encoding.sine_2d(height, width, channels),
        _brute_force(height, width, channels),
        atol=1e-5,
    )


def test_encoding_takes_sizes_known_only_when_run():
    encode = tf.function(lambda size: position_encoding.sine_2d(size, size, 4))
    np.testing.assert_allclose(
        encode(tf.constant(3)), position_encoding.sine_2d(3, 3, 4), atol=1e-6
    )
