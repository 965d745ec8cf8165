import numpy as np
import pytest
import tensorflow as tf

from model.network import resnet

pytestmark = pytest.mark.onednn


def _images(count=2, side=64):
    return tf.random.stateless_normal([count, side, side, 3], [0, 1])


# torchvision: resnet18 has 11,689,512 parameters of which 513,000 are the classifier;
# resnet50 25,557,032 and 2,049,000, resnet34 21,797,672 and 513,000,
# resnet101 44,549,160 and 2,049,000.
@pytest.mark.parametrize(
    ("depth", "count"),
    [(18, 11_176_512), (34, 21_284_672), (50, 23_508_032), (101, 42_500_160)],
)
def test_parameters_are_as_many_as_torchvision_has(depth, count):
    layer = resnet.ResNet(depth, 64, "group")
    layer.build((None, None, None, 3))
    assert layer.count_params() == count


@pytest.mark.parametrize(("depth", "expansion"), [(18, 1), (50, 4)])
def test_features_have_strides_4_to_32_and_doubling_channels(depth, expansion):
    features = resnet.ResNet(depth, 4, "group")(_images(1))
    assert [tuple(f.shape[1:]) for f in features] == [
        (16, 16, 4 * expansion),
        (8, 8, 8 * expansion),
        (4, 4, 16 * expansion),
        (2, 2, 32 * expansion),
    ]


def test_stem_pools_with_equal_padding():
    stem = resnet.Stem(1, "frozen_batch")
    stem.build((None, None, None, 3))
    kernel = np.zeros([7, 7, 3, 1])
    kernel[3, 3, 0, 0] = 1.0  # passes every second pixel of channel 0 on
    stem.conv.kernel.assign(kernel)
    image = np.zeros([1, 8, 8, 3], np.float32)
    image[0, ::2, ::2, 0] = np.arange(16).reshape(4, 4)
    # Windows of rows and columns {-1, 0, 1} and {1, 2, 3}.
    np.testing.assert_allclose(stem(image)[0, :, :, 0], [[5, 7], [13, 15]], rtol=1e-4)


def test_images_of_a_batch_do_not_influence_each_other():
    layer = resnet.ResNet(18, 8, "group")
    images = _images()
    together, alone = layer(images), layer(images[1:])
    for both, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(both[1:], one, atol=1e-4)


@pytest.mark.parametrize("norm", ["frozen_batch", "batch", "group"])
def test_every_trained_weight_gets_a_gradient(norm):
    layer = resnet.ResNet(18, 8, norm)
    with tf.GradientTape() as tape:
        features = layer(_images(), training=True)
        loss = tf.add_n([tf.reduce_sum(f * f) for f in features])
    weights = [weight.value for weight in layer.trainable_weights]
    gradients = tape.gradient(loss, weights)
    assert all(float(tf.reduce_max(tf.abs(g))) > 0 for g in gradients)
    norms = [w for w in layer.trainable_weights if w.name in ("gamma", "beta")]
    assert bool(norms) == (norm != "frozen_batch")


@pytest.mark.parametrize(
    ("trained", "first"), [(5, "stem"), (4, "res2"), (2, "res4"), (0, None)]
)
def test_only_the_last_stages_are_trained(trained, first):
    layer = resnet.ResNet(18, 4, "group", trained_stages=trained)
    layer.build((None, None, None, 3))
    paths = [weight.path.split("/")[1] for weight in layer.trainable_weights]
    assert (paths[0] if paths else None) == first


def test_batch_norm_of_a_frozen_stage_keeps_its_statistics():
    layer = resnet.ResNet(18, 4, "batch", trained_stages=0)
    layer(_images(), training=True)
    assert float(tf.reduce_max(tf.abs(layer.stem.norm.moving_mean))) == 0.0


def test_layer_can_be_made_again_from_its_config():
    layer = resnet.ResNet(50, 4, "batch", trained_stages=3)
    twin = resnet.ResNet.from_config(layer.get_config())
    for each in (layer, twin):
        each.build((None, None, None, 3))
    assert [w.shape for w in twin.weights] == [w.shape for w in layer.weights]
    assert len(twin.trainable_weights) == len(layer.trainable_weights)
