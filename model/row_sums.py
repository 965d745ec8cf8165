"""Weighted sums of the rows of a table, as products with a sparse matrix.

A product with a compressed sparse matrix (CSR) reads each chosen row once and writes
nothing but the sums. XLA has no sparse matrices, and on GPUs this was never run: see
`cpu_kernels`.
"""

import tensorflow as tf

ENTRY_BYTES = 64  # what a product needs in memory for one chosen row, about
PART_BYTES = 16 * 2**20  # enough for both cores to have their share of a product


def sums(table: tf.Tensor, index: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Adds up rows of a table; no gradient is to be taken through it.

    Args:
        table: float [S, D].
        index: int32 [M, N] in [0, S), which rows.
        weights: float [M, N].

    Returns:
        float [M, D], sum over n of weights[m, n] * table[index[m, n]].
    """
    matrix = _matrix(index, weights, tf.shape(table)[0])
    total = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=table)
    return tf.ensure_shape(total, [index.shape[0], table.shape[1]])


def spread(
    index: tf.Tensor, weights: tf.Tensor, upstream: tf.Tensor, num_rows: tf.Tensor
) -> tf.Tensor:
    """The gradient of `sums` with respect to its table.

    Args:
        index, weights: as in `sums`.
        upstream: float [M, D].
        num_rows: int32 [], S.

    Returns:
        float [S, D].
    """
    # The product's own transposition adds up in another order every time.
    matrix = tf.raw_ops.SparseMatrixTranspose(
        input=_matrix(index, weights, num_rows), type=weights.dtype
    )
    total = tf.raw_ops.SparseMatrixMatMul(a=matrix, b=upstream)
    return tf.ensure_shape(total, [None, upstream.shape[1]])


def _matrix(index: tf.Tensor, weights: tf.Tensor, num_rows: tf.Tensor) -> tf.Tensor:
    """Sparse matrix [M, S] with N entries a row."""
    count, width = tf.shape(index)[0], tf.shape(index)[1]
    row = tf.repeat(tf.range(count, dtype=tf.int64), width)
    column = tf.cast(tf.reshape(index, [-1]), tf.int64)
    # The pairs (row, column). Stacking two numbers at a time is slow; making them the
    # parts of a complex number, bit by bit, is not.
    pairs = tf.complex(tf.bitcast(row, tf.float64), tf.bitcast(column, tf.float64))
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=tf.bitcast(pairs, tf.int64),
        values=tf.reshape(weights, [-1]),
        dense_shape=tf.cast(tf.stack([count, num_rows]), tf.int64),
    )
