"""Values against sums written out in NumPy, sizes against those published."""

import numpy as np
import pytest
import tensorflow as tf

from model.network import efficientnet_lite

pytestmark = pytest.mark.onednn


def _images(count=2, side=64):
    return tf.random.stateless_normal([count, side, side, 3], [0, 1])


def layer(norm="frozen_batch", name="efficientnet_lite0", **kwargs):
    made = efficientnet_lite.EfficientNetLite(name, norm, **kwargs)
    made.build((None, None, None, 3))
    return made


@pytest.mark.parametrize(
    ("name", "features", "blocks"),
    [
        ("efficientnet_lite0", (24, 40, 112, 320), (3, 2, 6, 5)),
        ("efficientnet_lite2", (24, 48, 120, 352), (4, 3, 8, 6)),
    ],
)
def test_stages_have_the_published_blocks_and_channels(name, features, blocks):
    made = layer(name=name)
    found = made(_images(1))
    assert [tuple(f.shape[1:]) for f in found] == [
        (16, 16, features[0]),
        (8, 8, features[1]),
        (4, 4, features[2]),
        (2, 2, features[3]),
    ]
    assert tuple(stage.channels for stage in made.stages) == features
    assert tuple(len(stage.blocks) for stage in made.stages) == blocks


@pytest.mark.parametrize(
    ("channels", "factor", "scaled"),
    # 26.4 is nearer to 24, which takes away 9 %; 17.6 to 16 likewise; 11.8 to 8 would
    # take away a third.
    [(24, 1.1, 24), (16, 1.1, 16), (112, 1.1, 120), (11.8, 1.0, 16), (40, 1.1, 48)],
)
def test_channels_are_scaled_to_multiples_of_eight(channels, factor, scaled):
    assert efficientnet_lite._scaled(channels, factor) == scaled


def _randomised(block, seed=3):
    """Weights none of which is what it starts from; variances are positive."""
    random = np.random.default_rng(seed)
    for weight in block.weights:
        low, high = (0.5, 1.5) if weight.name == "moving_variance" else (-1.0, 1.0)
        weight.assign(random.uniform(low, high, weight.shape))
    return block


def _same(pixels, kernel_size, stride):
    """Pads [H, W, C] as TensorFlow's "same" does: the odd zero below and right."""
    borders = []
    for side in pixels.shape[:2]:
        missing = max((-(-side // stride) - 1) * stride + kernel_size - side, 0)
        borders.append((missing // 2, missing - missing // 2))
    return np.pad(pixels, [*borders, (0, 0)])


def _normalised(pixels, norm):
    scale = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + 1e-3)
    return (pixels - norm.moving_mean.numpy()) * scale + norm.beta.numpy()


def _depthwise(pixels, kernel, stride):
    size, out = kernel.shape[0], [-(-side // stride) for side in pixels.shape[:2]]
    padded = _same(pixels, size, stride)
    found = np.zeros([*out, pixels.shape[2]])
    for row, column in np.ndindex(*out):
        top, left = row * stride, column * stride
        window = padded[top : top + size, left : left + size]
        found[row, column] = (window * kernel[..., 0]).sum(axis=(0, 1))
    return found


def _by_hand(block, pixels):
    """The block of one image [H, W, C], float64."""
    inside = pixels
    if block.conv_expand:
        inside = inside @ block.conv_expand.kernel.numpy()[0, 0]
        inside = np.clip(_normalised(inside, block.norm_expand), 0, 6)
    kernel = block.conv_depthwise.kernel.numpy()
    inside = _depthwise(inside, kernel, block.size.stride)
    inside = np.clip(_normalised(inside, block.norm_depthwise), 0, 6)
    outputs = inside @ block.conv_project.kernel.numpy()[0, 0]
    outputs = _normalised(outputs, block.norm_project)
    return outputs + pixels if outputs.shape == pixels.shape else outputs


@pytest.mark.parametrize(
    "size",
    [
        efficientnet_lite.BlockSize(3, 1, 1, 5, in_channels=5),  # not expanded, added
        efficientnet_lite.BlockSize(5, 1, 6, 4, in_channels=4),  # added
        efficientnet_lite.BlockSize(3, 1, 2, 7, in_channels=4),  # other channels
        efficientnet_lite.BlockSize(5, 2, 3, 4, in_channels=4),  # another size
    ],
)
@pytest.mark.parametrize("sides", [(6, 8), (7, 5)])
def test_a_block_computes_what_its_sums_say(size, sides):
    block = efficientnet_lite.InvertedResidual(size, "frozen_batch")
    block.build((None, None, None, size.in_channels))
    _randomised(block)
    pixels = np.random.default_rng(1).normal(size=(2, *sides, size.in_channels))
    found = block(pixels.astype(np.float32)).numpy()
    for each, image in zip(found, pixels, strict=True):
        np.testing.assert_allclose(each, _by_hand(block, image), atol=1e-4)


def test_the_stem_starts_at_the_first_pixel_and_stops_at_six():
    stem = efficientnet_lite.Stem("frozen_batch")
    stem.build((None, None, None, 3))
    kernel = np.zeros([3, 3, 3, 32])
    kernel[0, 0, 0, 0] = 1.0  # the first place of a window: padding before would shift
    stem.conv.kernel.assign(kernel)
    image = np.zeros([1, 4, 4, 3], np.float32)
    image[0, ::2, ::2, 0] = [[1, 2], [3, 40]]
    # The norm's variance of 1 and its epsilon of 0.001 take 0.05 % away.
    np.testing.assert_allclose(stem(image)[0, :, :, 0], [[1, 2], [3, 6]], rtol=1e-3)


def test_images_of_a_batch_do_not_influence_each_other():
    made = layer("group")
    images = _images()
    for both, one in zip(made(images), made(images[1:]), strict=True):
        np.testing.assert_allclose(both[1:], one, atol=1e-4)


@pytest.mark.parametrize("norm", ["frozen_batch", "batch", "group"])
def test_every_trained_weight_gets_a_gradient(norm):
    made = layer(norm)
    with tf.GradientTape() as tape:
        features = made(_images(), training=True)
        loss = tf.add_n([tf.reduce_sum(f**3) for f in features])
    weights = [weight.value for weight in made.trainable_weights]
    gradients = tape.gradient(loss, weights)
    assert all(float(tf.reduce_max(tf.abs(g))) > 0 for g in gradients)
    norms = [w for w in made.trainable_weights if w.name in ("gamma", "beta")]
    assert bool(norms) == (norm != "frozen_batch")


@pytest.mark.parametrize(
    ("trained", "first"), [(5, "stem"), (4, "stage_1"), (2, "stage_3"), (0, None)]
)
def test_only_the_last_stages_are_trained(trained, first):
    made = layer("batch", trained_stages=trained)
    paths = [weight.path.split("/")[1] for weight in made.trainable_weights]
    assert (paths[0] if paths else None) == first


def test_batch_norm_of_a_frozen_stage_keeps_its_statistics():
    made = layer("batch", trained_stages=1)
    made(_images(), training=True)
    frozen = made.stages[2].blocks[0].norm_depthwise
    trained = made.stages[3].blocks[0].norm_depthwise
    assert float(tf.reduce_max(tf.abs(frozen.moving_mean))) == 0.0
    assert float(tf.reduce_max(tf.abs(trained.moving_mean))) > 0.0


def test_layer_can_be_made_again_from_its_config():
    made = layer("batch", "efficientnet_lite2", trained_stages=3)
    twin = efficientnet_lite.EfficientNetLite.from_config(made.get_config())
    twin.build((None, None, None, 3))
    assert [w.shape for w in twin.weights] == [w.shape for w in made.weights]
    assert len(twin.trainable_weights) == len(made.trainable_weights)


def test_bfloat16_features_are_those_of_float32_within_its_precision():
    full = layer()
    half = layer(dtype="mixed_bfloat16")
    for weight, other in zip(half.weights, full.weights, strict=True):
        weight.assign(other.value)
    for low, high in zip(half(_images()), full(_images()), strict=True):
        assert low.dtype == tf.bfloat16
        error = tf.norm(tf.cast(low, tf.float32) - high) / tf.norm(high)
        assert float(error) < 0.05
