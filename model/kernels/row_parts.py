"""Work on many rows done a few at a time, so that what it needs stays in the cache."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

PART_BYTES = 6 * 2**20
_AT_A_TIME = 2  # parts
_MANY_PARTS = 8  # from here on a last part that runs alone hardly counts


def in_parts(
    function: Callable,
    rows: tf.Tensor | tuple,
    row_bytes: int,
    signature: tf.DType | tuple,
    part_bytes: int = 0,
) -> Any:
    """Calls `function` with a few rows at a time and joins what it returns.

    No gradient is to be taken through it: a loop would keep every part's tensors.

    Args:
        function: takes a structure like `rows` of fewer rows, returns tensors of as
            many rows.
        rows: structure of tensors [R, ...], R the same for all, possibly 0.
        row_bytes: about what `function` needs in memory for one row.
        signature: dtypes of what `function` returns.
        part_bytes: what a part may need; 0 for `PART_BYTES`.
    """
    first = tf.nest.flatten(rows)[0]
    count = tf.shape(first)[0] if first.shape[0] is None else first.shape[0]
    part = length(first, row_bytes, part_bytes)
    is_known = isinstance(count, int)
    if is_known and count == part:
        return function(rows)
    # No parts could not be joined.
    parts = -(-count // part) if is_known else tf.maximum(-(-count // part), 1)
    is_even = is_known and count == parts * part
    missing = None if is_even else parts * part - count
    found = tf.map_fn(
        function,
        tf.nest.map_structure(lambda each: _cut(each, parts, part, missing), rows),
        fn_output_signature=signature,
        parallel_iterations=_AT_A_TIME,
    )
    found = tf.nest.map_structure(lambda each: _reshaped(each, [-1], 2), found)
    return found if is_even else tf.nest.map_structure(lambda each: each[:count], found)


def length(rows: tf.Tensor, row_bytes: int, part_bytes: int = 0) -> int:
    """How many of the rows [R, ...] `in_parts` takes at a time."""
    part = max(1, (part_bytes or PART_BYTES) // row_bytes)
    count = rows.shape[0]
    if count is None:
        return part
    parts = math.ceil(count / part)
    step = _AT_A_TIME if 1 < parts < _MANY_PARTS else 1
    parts = math.ceil(parts / step) * step
    # Rows need not be copied where all parts are equally long; but a last part that
    # runs alone costs more.
    equal = (more for more in range(parts, 2 * parts, step) if count % more == 0)
    return math.ceil(count / next(equal, parts)) if parts else 0


def _cut(
    rows: tf.Tensor, parts: int | tf.Tensor, part: int, missing: int | tf.Tensor | None
) -> tf.Tensor:
    """Rows [R, ...] as [parts, part, ...], with zeros for those that are missing."""
    if missing is not None:
        rows = tf.pad(rows, [[0, missing]] + [[0, 0]] * (rows.ndim - 1))
    return _reshaped(rows, [parts, part], 1)


def _reshaped(tensor: tf.Tensor, start: list, axis: int) -> tf.Tensor:
    """Other axes before `axis`, the same from there on, also where not known."""
    found = tf.reshape(tensor, tf.concat([start, tf.shape(tensor)[axis:]], axis=0))
    known = [size if isinstance(size, int) and size >= 0 else None for size in start]
    return tf.ensure_shape(found, [*known, *tensor.shape[axis:]])
