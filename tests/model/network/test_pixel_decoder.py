import numpy as np
import pytest
import tensorflow as tf

from model.network import pixel_decoder

pytestmark = pytest.mark.onednn


def _decoder(dtype="float32", **changes):
    settings = {
        "channels": 16,
        "num_encoder_layers": 1,
        "num_heads": 2,
        "num_points": 2,
        "feedforward_channels": 8,
        "norm_groups": 4,
    }
    return pixel_decoder.PixelDecoder({**settings, **changes}, 12, dtype=dtype)


def _features(batch=2, height=64, width=96):
    return [
        tf.random.stateless_normal(
            [batch, height // stride, width // stride, channels], [stride, 0]
        )
        for stride, channels in ((4, 6), (8, 8), (16, 10), (32, 12))
    ]


def test_mask_features_have_stride_4_and_levels_run_from_coarse_to_fine():
    mask_features, levels = _decoder()(_features())
    assert mask_features.shape == [2, 16, 24, 12]
    assert [level.shape.as_list() for level in levels] == [
        [2, 2, 3, 16],
        [2, 4, 6, 16],
        [2, 8, 12, 16],
    ]


def test_pixel_centres_are_x_then_y_row_by_row():
    found = pixel_decoder._pixel_centres(tf.constant(1), tf.constant(2))
    assert found.numpy().tolist() == [[0.25, 0.5], [0.75, 0.5]]


def test_without_encoder_layers_a_level_is_its_projected_feature():
    decoder = _decoder()
    decoder.encoder_layers = []
    features = _features()
    _, levels = decoder(features)
    np.testing.assert_allclose(levels[0], decoder.inputs[0](features[3]), atol=1e-6)
    np.testing.assert_allclose(levels[2], decoder.inputs[2](features[1]), atol=1e-6)


def test_the_finest_level_reaches_the_mask_features_upsampled():
    decoder = _decoder()
    decoder.encoder_layers = []
    features = _features(batch=1)
    mask_features, levels = decoder(features)
    doubled = tf.image.resize(levels[2], [16, 24], "bilinear")
    summed = decoder.lateral(features[0]) + doubled
    expected = decoder.mask_features(tf.nn.relu(decoder.fpn(summed)))
    np.testing.assert_allclose(mask_features, expected, atol=1e-5)


def test_images_of_a_batch_do_not_influence_each_other():
    decoder, features = _decoder(), _features()
    together, _ = decoder(features)
    alone, _ = decoder([feature[1:] for feature in features])
    np.testing.assert_allclose(together[1:], alone, atol=1e-4)


def test_sizes_known_only_when_run_give_the_same():
    decoder, features = _decoder(), _features()
    expected, expected_levels = decoder(features)
    signature = [tf.TensorSpec([None, None, None, f.shape[-1]]) for f in features]
    found, levels = tf.function(decoder, input_signature=[signature])(features)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(levels[1], expected_levels[1], atol=1e-4)


def test_every_weight_gets_a_gradient():
    decoder, features = _decoder(), _features()
    decoder(features)
    # At its start the encoder samples in the same places whatever it is asked.
    for number, weight in enumerate(decoder.trainable_weights):
        weight.assign_add(0.1 * tf.random.stateless_normal(weight.shape, [number, 0]))
    with tf.GradientTape() as tape:
        mask_features, levels = decoder(features)
        loss = tf.reduce_sum(mask_features**2)
        loss += tf.add_n([tf.reduce_sum(level**3) for level in levels])
    weights = [weight.value for weight in decoder.trainable_weights]
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        assert float(tf.reduce_max(tf.abs(gradient))) > 0, weight.name


def test_everything_is_computed_in_float32_whatever_is_asked():
    decoder = _decoder(dtype="mixed_bfloat16")
    mask_features, levels = decoder(_features())
    assert {mask_features.dtype, *(level.dtype for level in levels)} == {tf.float32}
    assert decoder.encoder_layers[0].compute_dtype == "float32"


# 1x1 projections with bias and group norm, 3 levels; level embedding; one encoder
# layer (offsets, weights, two projections, two norms, two feed-forward); lateral,
# output with group norm; mask convolution.
def test_parameters_are_counted_by_hand():
    decoder = _decoder()
    decoder(_features())
    inputs = sum(c * 16 + 16 + 32 for c in (8, 10, 12))
    samples = 2 * 3 * 2
    attention = 17 * 2 * samples + 17 * samples + 2 * 17 * 16
    layer = attention + 2 * 32 + 17 * 8 + 9 * 16
    fpn = 6 * 16 + 32 + 9 * 16 * 16 + 32
    expected = inputs + 3 * 16 + layer + fpn + 17 * 12
    assert decoder.count_params() == expected


@pytest.mark.parametrize("layers", [1, 3])
def test_the_configuration_is_kept(layers):
    decoder = _decoder(num_encoder_layers=layers)
    twin = pixel_decoder.PixelDecoder.from_config(decoder.get_config())
    assert len(twin.encoder_layers) == layers
