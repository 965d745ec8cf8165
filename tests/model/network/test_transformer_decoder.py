import numpy as np
import pytest
import tensorflow as tf

from model.network import attention, transformer_decoder

pytestmark = pytest.mark.onednn


def _normal(*shape, seed=0):
    return tf.random.stateless_normal(shape, [seed, len(shape)])


def _decoder(dtype="float32", **changes):
    settings = {
        "channels": 16,
        "num_queries": 5,
        "num_layers": 4,
        "num_heads": 2,
        "feedforward_channels": 8,
        "mask_channels": 12,
    }
    settings.update(changes)
    return transformer_decoder.TransformerDecoder(settings, 3, dtype=dtype)


def _inputs(batch=2, channels=16):
    levels = [_normal(batch, side, side + 1, channels, seed=side) for side in (2, 4, 8)]
    return _normal(batch, 8, 10, 12), levels


def test_a_query_looks_inside_its_mask_and_everywhere_when_that_is_empty():
    logits = tf.constant([[[1.0, -1.0, 0.0], [-1.0, -2.0, -3.0]]])
    found = transformer_decoder.blocked_pixels(logits)
    assert found.numpy().tolist() == [[[False, True, False], [False, False, False]]]


def test_an_empty_mask_attends_everywhere():
    layer = attention.Attention(8, 2)
    queries, memory = _normal(1, 3, 8), _normal(1, 6, 8, seed=1)
    blocked = transformer_decoder.blocked_pixels(tf.fill([1, 3, 6], -1.0))
    np.testing.assert_allclose(
        layer(queries, memory, memory, blocked),
        layer(queries, memory, memory),
        atol=1e-6,
    )


def test_the_attention_mask_is_the_prediction_resized_to_the_level():
    # The decoder resizes features instead of predictions; resizing is linear.
    features, embeddings = _normal(2, 16, 24, 12), _normal(2, 5, 12, seed=1)
    predictions = tf.einsum("bqc,bhwc->bhwq", embeddings, features)
    expected = tf.image.resize(predictions, [2, 3], "bilinear")
    resized = tf.image.resize(features, [2, 3], "bilinear")
    found = tf.einsum("bqc,bhwc->bhwq", embeddings, resized)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("layers", [1, 4, 9])
def test_every_block_and_the_queries_themselves_are_supervised(layers):
    class_logits, embeddings = _decoder(num_layers=layers)(*_inputs())
    assert len(class_logits) == len(embeddings) == layers + 1
    assert {tuple(c.shape) for c in class_logits} == {(2, 5, 4)}
    assert {tuple(e.shape) for e in embeddings} == {(2, 5, 12)}


def test_first_prediction_comes_from_the_queries_alone():
    decoder = _decoder()
    class_logits, _ = decoder(*_inputs())
    expected = decoder.class_head(decoder.norm(decoder.query_features))
    for image in range(2):
        np.testing.assert_allclose(class_logits[0][image], expected, atol=1e-5)


def test_blocks_take_levels_in_turn_from_coarse_to_fine():
    decoder = _decoder()
    features, levels = _inputs()
    expected, _ = decoder(features, levels)
    for changed in range(3):
        other = list(levels)
        other[changed] = levels[changed] + 1.0
        found, _ = decoder(features, other)
        differs = [
            float(tf.reduce_max(tf.abs(a - b))) > 1e-4
            for a, b in zip(found, expected, strict=True)
        ]
        assert differs.index(True) == changed + 1  # the block after that many others


def test_images_of_a_batch_do_not_influence_each_other():
    decoder = _decoder()
    features, levels = _inputs()
    together, _ = decoder(features, levels)
    alone, _ = decoder(features[1:], [level[1:] for level in levels])
    np.testing.assert_allclose(together[-1][1:], alone[-1], atol=1e-4)


def test_the_mask_that_guides_attention_passes_no_gradient():
    decoder = _decoder(num_layers=1)
    features, levels = _inputs()
    decoder(features, levels)
    with tf.GradientTape() as tape:
        tape.watch(features)
        class_logits, _ = decoder(features, levels)
        loss = tf.reduce_sum(class_logits[-1])
    gradient = tape.gradient(loss, features)
    assert gradient is None or float(tf.reduce_max(tf.abs(gradient))) == 0.0


@pytest.mark.parametrize("channels", [16, 20])
def test_every_weight_gets_a_gradient(channels):
    decoder = _decoder()
    features, levels = _inputs(channels=channels)
    decoder(features, levels)
    with tf.GradientTape() as tape:
        class_logits, embeddings = decoder(features, levels)
        loss = tf.add_n([tf.reduce_sum(o**3) for o in (*class_logits, *embeddings)])
    weights = decoder.trainable_weights
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        # Adding the same to all scores of a query changes nothing: no gradient.
        if not weight.path.endswith("key/bias"):
            assert float(tf.reduce_max(tf.abs(gradient))) > 0, weight.path
    assert bool(decoder.input_projections) == (channels != 16)


def test_bfloat16_decoder_answers_in_float32():
    class_logits, embeddings = _decoder(dtype="mixed_bfloat16")(*_inputs())
    assert {t.dtype for t in (*class_logits, *embeddings)} == {tf.float32}
    assert all(np.isfinite(t).all() for t in (*class_logits, *embeddings))


def test_the_configuration_is_kept():
    decoder = _decoder()
    twin = transformer_decoder.TransformerDecoder.from_config(decoder.get_config())
    for each in (decoder, twin):
        each(*_inputs())
    assert [w.shape for w in twin.weights] == [w.shape for w in decoder.weights]
