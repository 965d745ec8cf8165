"""Masks of a crop, straight from run lengths, in a graph and without a loop.

A large picture with many objects would need gigabytes if its masks were made dense
first and cropped after. Here only the pixels that the crop looks up are ever made:
memory follows the size of the crop, whatever the size of the picture.

The functions take run lengths as they are stored, and which pixels are looked up:
    run_lengths: int64 [R], column-major runs of all objects, each object's zeros first
        and adding up to H * W.
    num_runs: int64 [N], how many of them are each object's.
    height: H of the stored picture, px.
    rows: int [h], ascending, stored row of each row of the crop; may hold repeats.
    columns: int [w], stored column of each column of the crop, in any order.
"""

from typing import NamedTuple

import tensorflow as tf

_LANES = 8  # pixels that are summed up in one int64
_BLOCK = 16  # rows that are summed up one by one


class _Changes(NamedTuple):
    """Where masks begin and cease along their runs, int64 [C] each.

    Attributes:
        owner: index of the object.
        column, row: in the stored picture.
        sign: 1 where a mask begins, -1 where it ceases.
    """

    owner: tf.Tensor
    column: tf.Tensor
    row: tf.Tensor
    sign: tf.Tensor


def is_visible(
    run_lengths: tf.Tensor,
    num_runs: tf.Tensor,
    height: int | tf.Tensor,
    rows: tf.Tensor,
    columns: tf.Tensor,
) -> tf.Tensor:
    """Tells which objects cover a pixel of the crop, without making any mask.

    Returns:
        bool [N].
    """
    rows, columns = tf.cast(rows, tf.int64), tf.sort(tf.cast(columns, tf.int64))
    changes = _changes(run_lengths, num_runs, height)
    first, end, top = _reached(changes, rows, columns)
    num_rows = tf.size(rows, tf.int64)
    is_met = (first < end) & (top < num_rows)
    # Looked-up pixels, column by column, that come before the change.
    passed = tf.where(is_met, first * num_rows + top, end * num_rows)  # [C]
    # A run covers a pixel when more have been passed at its end than at its begin;
    # one that is never ended, when not all have been passed at its begin.
    rest = tf.size(columns, tf.int64) * num_rows - passed
    num_objects = tf.size(num_runs)
    return (
        tf.math.unsorted_segment_sum(changes.sign * rest, changes.owner, num_objects)
        > 0
    )


def masks(
    run_lengths: tf.Tensor,
    num_runs: tf.Tensor,
    height: int | tf.Tensor,
    rows: tf.Tensor,
    columns: tf.Tensor,
) -> tf.Tensor:
    """Makes the masks of the crop dense.

    A column opens with what its object's mask is there. Every run that begins further
    down adds or takes 1; summed up along the column, that is the mask.

    Returns:
        uint8 [N, h, w] in {0, 1}.
    """
    rows, columns = tf.cast(rows, tf.int64), tf.cast(columns, tf.int64)
    order = tf.argsort(columns)  # [w], a mirrored crop's columns descend
    changes = _changes(run_lengths, num_runs, height)
    first, end, top = _reached(changes, rows, tf.gather(columns, order))
    num_objects = tf.size(num_runs, tf.int64)
    num_rows, num_columns = tf.size(rows, tf.int64), tf.size(columns, tf.int64)

    # Where the picture is enlarged, a column is looked up several times.
    copies = tf.where(top < num_rows, end - first, 0)  # [C]
    copied = tf.ragged.range(first, first + copies).flat_values
    inner = [tf.repeat(each, copies) for each in (changes.owner, top)]
    signs = tf.repeat(changes.sign, copies)
    # A change in an earlier column counts from the top of all later ones.
    begun = tf.scatter_nd(
        tf.stack([changes.owner, end], 1), changes.sign, [num_objects, num_columns + 1]
    )
    opens = tf.where(tf.cumsum(begun, axis=1)[:, :-1] > 0)  # [O, 2], owner and column
    place = tf.concat([copied, opens[:, 1]], 0)
    return _summed_up(
        tf.concat([inner[0], opens[:, 0]], 0),
        tf.concat([inner[1], tf.zeros_like(opens[:, 0])], 0),
        tf.cast(tf.gather(order, place), tf.int64),
        tf.concat([signs, tf.ones_like(opens[:, 0])], 0),
        [num_objects, num_rows, num_columns],
    )


def _summed_up(
    owner: tf.Tensor,
    row: tf.Tensor,
    column: tf.Tensor,
    sign: tf.Tensor,
    size: list[tf.Tensor],
) -> tf.Tensor:
    """Adds signs up along the columns, uint8 [N, h, w].

    TensorFlow sums bytes slowly. Eight columns share an int64, a byte each: that is
    exact, as every sum is 0 or 1, whatever is borrowed on the way there. Rows are
    summed in blocks, which takes vector additions for most of the work.

    Args:
        owner, row, column, sign: int64 [M], marks; several may share a place.
        size: N, h, w.
    """
    num_objects, num_rows, num_columns = size
    num_blocks, num_words = -(-num_rows // _BLOCK), -(-num_columns // _LANES)
    marks = tf.scatter_nd(
        tf.stack([row % _BLOCK, owner, row // _BLOCK, column // _LANES], 1),
        sign * tf.bitwise.left_shift(tf.ones_like(column), 8 * (column % _LANES)),
        [_BLOCK, num_objects, num_blocks, num_words],
    )
    sums = [marks[0]]
    for place in range(1, _BLOCK):
        sums.append(sums[-1] + marks[place])
    before = tf.cumsum(sums[-1], axis=1, exclusive=True)  # [N, blocks, words]
    packed = tf.stack([each + before for each in sums], axis=2)
    pixels = tf.bitcast(packed, tf.uint8)  # [N, blocks, _BLOCK, words, _LANES]
    rounded = [num_objects, num_blocks * _BLOCK, num_words * _LANES]
    return tf.reshape(pixels, rounded)[:, :num_rows, :num_columns]


def _changes(
    run_lengths: tf.Tensor, num_runs: tf.Tensor, height: int | tf.Tensor
) -> _Changes:
    run_lengths, num_runs = tf.cast(run_lengths, tf.int64), tf.cast(num_runs, tf.int64)
    height = tf.cast(height, tf.int64)
    owner = tf.repeat(tf.range(tf.size(num_runs, tf.int64)), num_runs)  # [R]
    first_run = tf.cumsum(num_runs, exclusive=True)  # [N]
    begin = tf.cumsum(run_lengths, exclusive=True)  # [R], px from the first object's
    run = tf.range(tf.size(run_lengths, tf.int64)) - tf.gather(first_run, owner)
    is_change = run > 0
    begin -= tf.repeat(tf.gather(begin, first_run), num_runs)
    position = tf.boolean_mask(begin, is_change)
    return _Changes(
        tf.boolean_mask(owner, is_change),
        position // height,
        position % height,
        tf.boolean_mask(2 * (run % 2) - 1, is_change),
    )


def _reached(
    changes: _Changes, rows: tf.Tensor, columns: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What of the crop each change bears upon, int64 [C] each.

    Args:
        rows, columns: int64 [h] and [w], ascending.

    Returns:
        First of the sorted columns that look its column up, the one after the last
        that does, and the first row at or below it.
    """
    search = tf.searchsorted
    return (
        search(columns, changes.column, side="left", out_type=tf.int64),
        search(columns, changes.column, side="right", out_type=tf.int64),
        search(rows, changes.row, side="left", out_type=tf.int64),
    )
