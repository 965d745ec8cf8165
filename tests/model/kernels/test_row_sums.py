import numpy as np
import pytest
import tensorflow as tf

from model.kernels import row_sums

pytestmark = pytest.mark.onednn

_ROWS, _CHANNELS, _SUMS, _ENTRIES = 7, 3, 50, 6


def _arguments():
    rng = np.random.default_rng(1)
    table = rng.normal(size=[_ROWS, _CHANNELS]).astype(np.float32)
    index = rng.integers(0, _ROWS, [_SUMS, _ENTRIES]).astype(np.int32)  # with repeats
    line = row_sums.lines(_SUMS, _ENTRIES)
    return table, line, index, rng.normal(size=index.shape).astype(np.float32)


def test_sums_are_those_of_the_rows_taken_one_by_one():
    table, line, index, weights = _arguments()
    found = tf.function(row_sums.sums)(table, line, index, weights)
    np.testing.assert_allclose(
        found, np.einsum("mn,mnd->md", weights, table[index]), atol=1e-5
    )


def test_spread_is_the_gradient_and_the_same_every_time():
    _, *entries = _arguments()
    _, index, weights = entries
    upstream = np.random.default_rng(2).normal(size=[_SUMS, _CHANNELS])
    upstream = upstream.astype(np.float32)
    wanted = np.zeros([_ROWS, _CHANNELS], np.float64)
    np.add.at(wanted, index, weights[..., np.newaxis] * upstream[:, np.newaxis])
    spread = tf.function(row_sums.spread)
    found = spread(*entries, upstream, _ROWS)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    for _ in range(5):
        np.testing.assert_array_equal(spread(*entries, upstream, _ROWS), found)


@pytest.mark.parametrize(("lines", "entries"), [(0, 3), (4, 0), (0, 0)])
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_where_nothing_is_chosen_sums_and_gradients_are_zeros(
    lines, entries, is_known, dtype
):
    # TensorFlow's own product of no lines ends the process.
    shape = [lines, entries]
    spec = shape if is_known else [None, None]

    @tf.function(
        input_signature=[tf.TensorSpec(spec, dtype), tf.TensorSpec(spec, tf.int32)]
    )
    def both(weights, index):
        table = tf.ones([_ROWS, _CHANNELS], dtype)
        line = row_sums.lines(tf.shape(index)[0], entries)
        upstream = tf.ones([tf.shape(index)[0], _CHANNELS], dtype)
        return (
            row_sums.sums(table, line, index, weights),
            row_sums.spread(line, index, weights, upstream, _ROWS),
        )

    sums, gradient = both(tf.zeros(shape, dtype), tf.zeros(shape, tf.int32))
    assert sums.dtype == gradient.dtype == dtype
    np.testing.assert_array_equal(sums, np.zeros([lines, _CHANNELS]))
    np.testing.assert_array_equal(gradient, np.zeros([_ROWS, _CHANNELS]))
