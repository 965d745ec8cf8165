import keras
import pytest
import tensorflow as tf

from model.network import convolution, staged


class Part(keras.layers.Layer):
    """Halves the picture and adds a number to the channels."""

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.conv = convolution.Convolution(channels, 1, 2, name="conv")

    def build(self, pixels_shape):
        self.conv.build(pixels_shape)

    def call(self, pixels, training=False):
        return self.conv(pixels) + (1.0 if training else 0.0)


class Backbone(staged.StagedBackbone):
    def __init__(self, trained_stages=3):
        super().__init__()
        self.stem = Part(4, name="stem")
        self.stages = [Part(channels, name=f"s{channels}") for channels in (5, 6)]
        self.freeze_all_but(trained_stages)


def test_every_stage_goes_on_from_the_one_before_and_gives_a_feature():
    layer = Backbone()
    layer.build((None, None, None, 3))
    images = tf.random.stateless_normal([2, 16, 24, 3], [0, 1])
    for training in (False, True):
        features = layer(images, training=training)
        expected = layer.stem(images, training=training)
        for found, stage in zip(features, layer.stages, strict=True):
            expected = stage(expected, training=training)
            tf.debugging.assert_equal(found, expected)
    assert [tuple(each.shape) for each in features] == [(2, 4, 6, 5), (2, 2, 3, 6)]


@pytest.mark.parametrize(
    ("trained_stages", "trained"),
    [(3, {"stem", "s5", "s6"}), (2, {"s5", "s6"}), (1, {"s6"}), (0, set())],
)
def test_the_last_parts_are_trained(trained_stages, trained):
    layer = Backbone(trained_stages)
    layer.build((None, None, None, 3))
    assert {weight.path.split("/")[-3] for weight in layer.trainable_weights} == trained
