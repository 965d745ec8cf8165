"""Compressed COCO run lengths of masks, inside a graph.

`mask_rle` reads and writes the same text in NumPy; here plain TensorFlow operations
do, so that a served model answers with a few hundred bytes a mask instead of an image.
"""

import tensorflow as tf

_BITS = 5  # payload of one character
_MAX_CHARACTERS = 7  # 35 bits, more than any difference of two int32 pixel counts
_CONTINUES = 32  # added to a character that is not a number's last
_FIRST_CODE = 48  # "0"


def encode(masks: tf.Tensor) -> tf.Tensor:
    """Encodes masks as COCO's `rleToString` does.

    Args:
        masks: bool [N, H, W].

    Returns:
        string [N], the `counts`; the `size` is `[H, W]`.
    """
    return encode_columns(tf.transpose(masks, [0, 2, 1]))


def encode_columns(columns: tf.Tensor) -> tf.Tensor:
    """The same for bool [N, W, H], masks that are stored column by column."""
    num_masks, size = tf.shape(columns)[0], tf.size(columns[:1])
    pixels = tf.reshape(columns, [num_masks, size])  # [N, W*H]
    before = tf.pad(pixels[:, :-1], [[0, 0], [1, 0]])  # a mask begins after a zero
    owner, place = tf.unstack(tf.where(tf.math.logical_xor(pixels, before)), axis=1)
    lengths = tf.math.bincount(
        tf.cast(owner, tf.int32), minlength=num_masks, maxlength=num_masks
    )
    return encode_changes(place, lengths, tf.cast(size, tf.int64))


def encode_changes(
    places: tf.Tensor, lengths: tf.Tensor, num_pixels: tf.Tensor
) -> tf.Tensor:
    """The same, from where masks begin and end.

    Args:
        places: int64 [R], mask by mask; of each ascending, the first pixel inside, the
            first outside again and so on, counted column by column, below `num_pixels`.
        lengths: int32 [N], how many places each mask has.
        num_pixels: int64 [], of an image.
    """
    splits = tf.pad(tf.cumsum(lengths), [[1, 0]])  # [N + 1]
    ends = tf.RaggedTensor.from_row_splits(places, splits, validate=False)
    # The last run ends with the image.
    last = tf.fill([tf.size(lengths), 1], num_pixels)
    last = tf.RaggedTensor.from_tensor(last, row_splits_dtype=splits.dtype)
    ends = tf.concat([ends, last], axis=1)
    runs, owner = _run_lengths(ends.values, ends.value_rowids())
    owner_starts = ends.row_splits
    numbers = _differences(runs, owner, owner_starts)
    codes, emitted = _characters(numbers)
    per_mask = tf.RaggedTensor.from_row_splits(  # [N, (characters)]
        tf.boolean_mask(codes, emitted),
        tf.gather(_exclusive_count(emitted), owner_starts),
        validate=False,
    )
    return tf.strings.unicode_encode(per_mask, "UTF-8")


def _run_lengths(ends: tf.Tensor, owner: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Runs, the first of zeros, from where they end: int64 [R], and the mask of each.

    Args:
        ends: int64 [R], ascending within a mask.
        owner: int32 [R].
    """
    continued = tf.equal(owner[1:], owner[:-1])
    begins = tf.where(continued, ends[:-1], tf.zeros_like(ends[:-1]))  # [R - 1]
    begins = tf.pad(begins, [[tf.minimum(tf.size(ends), 1), 0]])[: tf.size(ends)]
    return ends - begins, owner


def _differences(runs: tf.Tensor, owner: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
    """From the fourth run of a mask on, the difference to the run two before."""
    place = tf.range(tf.size(runs)) - tf.gather(starts, owner)  # [R], within the mask
    two_before = tf.pad(runs, [[2, 0]])[:-2]
    return runs - tf.where(place > 2, two_before, tf.zeros_like(runs))


def _characters(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Splits int64 [R] into characters of 5 bits, low bits first.

    Returns:
        int32 [R, 7] character codes, and bool [R, 7], which of them are written.
    """
    shifts = tf.range(_MAX_CHARACTERS + 1, dtype=tf.int64) * _BITS
    shifted = tf.bitwise.right_shift(numbers[:, None], shifts)  # [R, 8], keeps the sign
    groups = tf.bitwise.bitwise_and(shifted[:, :-1], 31)
    # The number is complete when what is left repeats the sign bit of the group.
    sign = -tf.bitwise.right_shift(groups, _BITS - 1)  # 0 or -1
    continues = tf.not_equal(shifted[:, 1:], sign)
    # The first character that completes the number is its last.
    open_so_far = tf.math.cumprod(tf.cast(continues, tf.int32), axis=1, exclusive=True)
    codes = groups + tf.cast(continues, tf.int64) * _CONTINUES + _FIRST_CODE
    return tf.cast(codes, tf.int32), tf.cast(open_so_far, tf.bool)


def _exclusive_count(emitted: tf.Tensor) -> tf.Tensor:
    """Characters written before each number, int32 [R + 1]."""
    per_number = tf.reduce_sum(tf.cast(emitted, tf.int32), axis=1)
    return tf.pad(tf.cumsum(per_number), [[1, 0]])
