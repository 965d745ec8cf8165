import numpy as np
import pytest
import tensorflow as tf

from model.network import attention

pytestmark = pytest.mark.onednn


def _normal(*shape, seed=0):
    return tf.random.stateless_normal(shape, [seed, len(shape)])


def test_attention_is_softmax_of_scaled_products_per_head():
    layer = attention.Attention(8, 2)
    queries, keys, values = _normal(1, 3, 8), _normal(1, 4, 8, seed=1), _normal(1, 4, 8)
    found = layer(queries, keys, values).numpy()
    q, k, v = (
        (tokens @ each.kernel + each.bias).numpy()[0]
        for tokens, each in zip((queries, keys, values), layer.inputs, strict=True)
    )
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        scores = np.exp(q[:, head] @ k[:, head].T / 2.0)  # sqrt of 4 channels a head
        heads.append(scores / scores.sum(axis=1, keepdims=True) @ v[:, head])
    joined = np.concatenate(heads, axis=1).astype(np.float32)
    np.testing.assert_allclose(found[0], layer.output_projection(joined), atol=1e-5)


def test_blocked_pixels_are_as_good_as_absent():
    layer = attention.Attention(8, 2)
    queries, memory = _normal(1, 3, 8), _normal(1, 6, 8, seed=1)
    blocked = tf.constant([[[False, True, False, True, True, False]] * 3])
    found = layer(queries, memory, memory, blocked)
    seen = tf.gather(memory, [0, 2, 5], axis=1)
    np.testing.assert_allclose(found, layer(queries, seen, seen), atol=1e-5)
