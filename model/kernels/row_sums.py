"""Weighted sums of the rows of a table, as products with a sparse matrix.

A product with a compressed sparse matrix (CSR) reads each chosen row once and writes
nothing but the sums. XLA has no sparse matrices, and on GPUs this was never run: see
`compute_target`. TensorFlow's product of a matrix without lines divides by their
number, which ends the process: a product of nothing is made here.
"""

from collections.abc import Callable

import tensorflow as tf

ENTRY_BYTES = 64  # what a product needs in memory for one chosen row, about
PART_BYTES = 64 * 2**20  # enough for both cores to have their share of a product


def lines(count: int | tf.Tensor, width: int) -> tf.Tensor:
    """Which line of `count` lines an entry belongs to, int64 [count * width]."""
    return tf.repeat(tf.range(tf.cast(count, tf.int64)), width)


def sums(
    table: tf.Tensor, line: tf.Tensor, index: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Adds up rows of a table; no gradient is to be taken through it.

    Args:
        table: float [S, D].
        line: int64 [M * N], see `lines`.
        index: int32 [M, N] in [0, S), which rows.
        weights: float [M, N].

    Returns:
        float [M, D], sum over n of weights[m, n] * table[index[m, n]].
    """

    def product() -> tf.Tensor:
        matrix = _matrix(line, index, weights, tf.shape(table)[0])
        return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=table)

    shape = [tf.shape(index)[0], tf.shape(table)[1]]
    total = _unless_empty(index, product, shape, table.dtype)
    return tf.ensure_shape(total, [index.shape[0], table.shape[1]])


def spread(
    line: tf.Tensor,
    index: tf.Tensor,
    weights: tf.Tensor,
    upstream: tf.Tensor,
    num_rows: tf.Tensor,
) -> tf.Tensor:
    """The gradient of `sums` with respect to its table.

    Args:
        line, index, weights: as in `sums`.
        upstream: float [M, D].
        num_rows: int32 [], S.

    Returns:
        float [S, D].
    """

    def product() -> tf.Tensor:
        # The product's own transposition adds up in another order every time.
        matrix = tf.raw_ops.SparseMatrixTranspose(
            input=_matrix(line, index, weights, num_rows), type=weights.dtype
        )
        return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=upstream)

    shape = [num_rows, tf.shape(upstream)[1]]
    total = _unless_empty(index, product, shape, upstream.dtype)
    return tf.ensure_shape(total, [None, upstream.shape[1]])


def _unless_empty(
    index: tf.Tensor, product: Callable[[], tf.Tensor], shape: list, dtype: tf.DType
) -> tf.Tensor:
    """The product, or zeros where no row is chosen; asked only where it may happen."""
    if index.shape.num_elements():
        return product()
    return tf.cond(tf.size(index) > 0, product, lambda: tf.zeros(shape, dtype))


def _matrix(
    line: tf.Tensor, index: tf.Tensor, weights: tf.Tensor, num_rows: tf.Tensor
) -> tf.Tensor:
    """Sparse matrix [M, S] with N entries a line."""
    column = tf.cast(tf.reshape(index, [-1]), tf.int64)
    # The pairs (line, column). Stacking two numbers at a time is slow; making them the
    # parts of a complex number, bit by bit, is not.
    pairs = tf.complex(tf.bitcast(line, tf.float64), tf.bitcast(column, tf.float64))
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=tf.bitcast(pairs, tf.int64),
        values=tf.reshape(weights, [-1]),
        dense_shape=tf.cast(tf.stack([tf.shape(index)[0], num_rows]), tf.int64),
    )
