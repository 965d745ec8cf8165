"""Masks at the size of the original image: each drawn once, within its box only.

Most of an image is outside of an object. Where no mask logit around is positive, none
that bilinear weights make of them is, so that a mask is drawn between the first and the
last row and column that a positive logit reaches.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from model.serve import rle_encoding

_AT_A_TIME = 2  # masks; each may be as large as the image


class Drawn(NamedTuple):
    """What is told of U masks.

    Attributes:
        quality: float32 [U], mean probability of the pixels inside; 0 of an empty mask.
        boxes: float32 [U, 4], xywh_px, tight; zeros of an empty mask.
        rle: string [U], compressed COCO counts.
    """

    quality: tf.Tensor
    boxes: tf.Tensor
    rle: tf.Tensor


class _Span(NamedTuple):
    """Along one axis: what is drawn of each mask, and the logits it is drawn from.

    Attributes:
        first, size: int32 [U], px of the image.
        source, source_size: int32 [U], of the mask logits.
    """

    first: tf.Tensor
    size: tf.Tensor
    source: tf.Tensor
    source_size: tf.Tensor


def draw(mask_logits: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> Drawn:
    """Draws masks: a pixel is inside where its weighted sum of logits is positive.

    Args:
        mask_logits: float32 [U, h, w].
        rows: float32 [H, h], weights of a row of the image, at least 0.
        columns: float32 [W, w], the same for columns.
    """
    positive = mask_logits > 0.0
    down = _span(tf.reduce_any(positive, axis=2), rows)
    across = _span(tf.reduce_any(positive, axis=1), columns)
    size = (tf.shape(rows)[0], tf.shape(columns)[0])

    def one(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        y, x = (_Span(*(each[index] for each in span)) for span in (down, across))
        # Column by column, as run lengths are counted.
        logits = tf.matmul(
            _part(columns, x), _source(mask_logits[index], y, x), transpose_b=True
        )  # [width, source height]
        logits = tf.matmul(logits, _part(rows, y), transpose_b=True)
        inside = logits > 0.0
        changes = _changes(inside, y.first, x.first, size)
        return _quality(logits, inside), _box(inside, y, x), changes, tf.size(changes)

    quality, boxes, changes, lengths = _one_by_one(one, tf.shape(mask_logits)[0])
    rle = rle_encoding.encode_changes(
        changes.concat(), lengths.stack(), tf.cast(size[0] * size[1], tf.int64)
    )
    return Drawn(quality.stack(), boxes.stack(), rle)


def _one_by_one(
    function: Callable[[tf.Tensor], tuple[tf.Tensor, ...]], count: tf.Tensor
) -> tuple[tf.TensorArray, ...]:
    """What a function gives of each mask: quality, box, changes and their number."""
    kinds = (tf.float32, tf.float32, tf.int64, tf.int32)
    shapes = ([], [4], [None], [])
    outputs = tuple(
        tf.TensorArray(kind, count, infer_shape=False, element_shape=shape)
        for kind, shape in zip(kinds, shapes, strict=True)
    )

    def write(index: tf.Tensor, written: tuple[tf.TensorArray, ...]):
        pairs = zip(written, function(index), strict=True)
        return index + 1, tuple(array.write(index, value) for array, value in pairs)

    _, outputs = tf.while_loop(
        lambda index, _: index < count,
        write,
        (0, outputs),
        parallel_iterations=_AT_A_TIME,
    )
    return outputs


def _span(occupied: tf.Tensor, weights: tf.Tensor) -> _Span:
    """From bool [U, n], which logits are positive, and float32 [N, n].

    At least one pixel and one logit, also of an empty mask.
    """
    touched = tf.cast(weights > 0.0, tf.float32)  # [N, n]
    reached = tf.matmul(tf.cast(occupied, tf.float32), touched, transpose_b=True)
    first, size = _extent(reached > 0.0)  # of [U, N]
    place = tf.range(tf.shape(weights)[0])
    between = (place >= first[:, None]) & (place < (first + size)[:, None])
    needed = tf.matmul(tf.cast(between, tf.float32), touched)  # [U, n]
    source, source_size = _extent(needed > 0.0)
    return _Span(first, tf.maximum(size, 1), source, tf.maximum(source_size, 1))


def _extent(occupied: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """First true place and number of places up to the last, int32 [U], of bool [U, n].

    Zeros where none is true.
    """
    occupied = tf.cast(occupied, tf.int32)
    first = tf.argmax(occupied, axis=1, output_type=tf.int32)
    behind = tf.argmax(occupied[:, ::-1], axis=1, output_type=tf.int32)
    size = tf.shape(occupied)[1] - behind - first
    return first, tf.where(tf.reduce_max(occupied, axis=1) > 0, size, 0)


def _part(weights: tf.Tensor, span: _Span) -> tf.Tensor:
    """The weights that one mask is drawn with, float32 [size, source size]."""
    return tf.slice(weights, [span.first, span.source], [span.size, span.source_size])


def _source(logits: tf.Tensor, y: _Span, x: _Span) -> tf.Tensor:
    """The logits that one mask is drawn from."""
    return tf.slice(logits, [y.source, x.source], [y.source_size, x.source_size])


def _quality(logits: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
    """Mean probability inside, float32 []."""
    probs = tf.sigmoid(tf.boolean_mask(logits, inside))
    return tf.math.divide_no_nan(
        tf.reduce_sum(probs), tf.cast(tf.size(probs), tf.float32)
    )


def _box(inside: tf.Tensor, y: _Span, x: _Span) -> tf.Tensor:
    """Tight box of bool [width, height], float32 [4] xywh_px; zeros when empty."""
    left, width = _extent(tf.reduce_any(inside, axis=1)[None])
    top, height = _extent(tf.reduce_any(inside, axis=0)[None])
    box = tf.stack([left[0] + x.first, top[0] + y.first, width[0], height[0]])
    return tf.cast(tf.where(width > 0, box, 0), tf.float32)


def _changes(
    inside: tf.Tensor, top: tf.Tensor, left: tf.Tensor, size: tuple
) -> tf.Tensor:
    """Places where a mask begins and ends, in turn, in the image column by column.

    Args:
        inside: bool [width, height], the part of the image from `top` and `left` on.
        size: height and width of the image.

    Returns:
        int64 [R], ascending, below height * width.
    """
    height, width = (tf.cast(side, tf.int64) for side in size)
    top, left = tf.cast(top, tf.int64), tf.cast(left, tf.int64)
    # Below a column something of the image follows, or the next column begins.
    is_whole = tf.equal(tf.shape(inside, tf.int64)[1], height)
    follows = tf.where(is_whole, 0, 1)
    padded = tf.pad(inside, [[0, 0], [0, follows]])
    stride = tf.shape(padded, tf.int64)[1]
    pixels = tf.pad(tf.reshape(padded, [-1]), [[1, 1]])
    place = tf.where(tf.math.logical_xor(pixels[1:], pixels[:-1]))[:, 0]
    place = (left + place // stride) * height + top + place % stride
    return tf.boolean_mask(place, place < height * width)
