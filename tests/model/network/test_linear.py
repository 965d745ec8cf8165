import keras
import numpy as np
import pytest
import tensorflow as tf

from model.network import linear

pytestmark = pytest.mark.onednn


def test_linear_multiplies_the_last_axis_of_any_rank():
    layer = linear.Linear(3)
    inputs = tf.random.stateless_normal([2, 4, 5], [0, 1]).numpy()
    outputs = layer(inputs)
    kernel, bias = (weight.numpy() for weight in layer.weights)
    expected = np.einsum("bic,co->bio", inputs, kernel) + bias
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_linear_can_be_made_again_from_its_config():
    layer = linear.Linear(3, keras.initializers.Zeros(), keras.initializers.Ones())
    twin = linear.Linear.from_config(layer.get_config())
    assert twin(tf.ones([1, 2])).numpy().tolist() == [[1, 1, 1]]


def test_linear_applies_its_activation_also_when_made_again():
    layer = linear.Linear(2, keras.initializers.Ones(), activation="relu")
    twin = linear.Linear.from_config(layer.get_config())
    for each in (layer, twin):
        each.build((None, 1))
        each.bias.assign([-3.0, 0.0])
        np.testing.assert_array_equal(each(tf.ones([1, 1])), [[0.0, 1.0]])


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_linear_keeps_the_known_part_of_a_shape(rank):
    layer = linear.Linear(3)
    layer.build((None, 5))
    spec = tf.TensorSpec([None] + [4] * (rank - 2) + [5])
    output = tf.function(layer).get_concrete_function(spec).structured_outputs
    assert output.shape.as_list() == [None] + [4] * (rank - 2) + [3]
