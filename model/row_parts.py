"""Work on many rows done a few at a time, so that what it needs stays in the cache."""

import math
from collections.abc import Callable

import tensorflow as tf

PART_BYTES = 6 * 2**20


def in_parts(
    function: Callable, rows, row_bytes: int, signature, part_bytes: int | None = None
):
    """Calls `function` with a few rows at a time and joins what it returns.

    No gradient is to be taken through it: a loop would keep every part's tensors.

    Args:
        function: takes a structure like `rows` of fewer rows, returns tensors of as
            many rows.
        rows: structure of tensors [R, ...], R the same for all, possibly 0.
        row_bytes: about what `function` needs in memory for one row.
        signature: dtypes of what `function` returns.
        part_bytes: what a part may need; None for `PART_BYTES`.
    """
    first = tf.nest.flatten(rows)[0]
    count = tf.shape(first)[0] if first.shape[0] is None else first.shape[0]
    part = max(1, (part_bytes or PART_BYTES) // row_bytes)
    if isinstance(count, int):
        if count <= part:
            return function(rows)
        part = math.ceil(count / math.ceil(count / part))
    parts = -(-count // part)

    def cut(tensor: tf.Tensor) -> tf.Tensor:
        missing = [[0, parts * part - count]] + [[0, 0]] * (tensor.ndim - 1)
        return tf.reshape(tf.pad(tensor, missing), [parts, part, *tensor.shape[1:]])

    found = tf.map_fn(
        function,
        tf.nest.map_structure(cut, rows),
        fn_output_signature=signature,
        parallel_iterations=2,
    )
    return tf.nest.map_structure(
        lambda tensor: tf.reshape(tensor, [-1, *tensor.shape[2:]])[:count], found
    )
