"""Where bilinear samples of several maps lie, as rows of one table of pixels."""

from typing import NamedTuple

import tensorflow as tf

BORDER = 1  # pixels of zeros around every map


class Layout(NamedTuple):
    """The maps that samples lie in, K = heads * L * P samples of a token, heads first.

    A table has a row for each head of each pixel, border included, of each map.

    Attributes:
        heads: number of heads.
        num_rows: int32 [], rows of an image.
        map_rows: L int32 [], rows of each map of an image.
        width, height: int32 [K], px, of the sample's map.
        down: int32 [K], rows from a pixel to the one below it.
        first: int32 [K], first row of the sample's map and head in an image.
    """

    heads: int
    num_rows: tf.Tensor
    map_rows: list[tf.Tensor]
    width: tf.Tensor
    height: tf.Tensor
    down: tf.Tensor
    first: tf.Tensor


class Samples(NamedTuple):
    """Samples of some tokens.

    Attributes:
        x_px, y_px: float [R, K], places in the sample's map; pixel centres have whole
            numbers.
        weights: float [R, K].
        image: int32 [R], first row of the image in the table.
    """

    x_px: tf.Tensor
    y_px: tf.Tensor
    weights: tf.Tensor
    image: tf.Tensor


class Cells(NamedTuple):
    """The 2 x 2 pixels around samples, [R, K] each.

    Attributes:
        row: int32, of the upper left pixel.
        right, below: float, share of the right and of the lower pixels.
        inside: float, 0 for a sample that touches no pixel of its map.
        weights: float, 0 there too.
    """

    row: tf.Tensor
    right: tf.Tensor
    below: tf.Tensor
    inside: tf.Tensor
    weights: tf.Tensor


def layout_of(maps: list[tf.Tensor], heads: int, points: int) -> Layout:
    """How samples of some maps lie.

    Args:
        maps: L maps, float [B, H, W, heads, D].
        points: P, samples of a token and a head in each map.
    """
    shapes = tf.stack([tf.shape(level)[1:3] for level in maps])
    sides = shapes + 2 * BORDER
    rows = tf.reduce_prod(sides, axis=1) * heads

    def each(values: tf.Tensor) -> tf.Tensor:  # [L] -> [K]
        return tf.tile(tf.repeat(values, points), [heads])

    head = tf.repeat(tf.range(heads), points * len(maps))
    return Layout(
        heads=heads,
        num_rows=tf.reduce_sum(rows),
        map_rows=tf.unstack(rows),
        width=each(shapes[:, 1]),
        height=each(shapes[:, 0]),
        down=each(sides[:, 1] * heads),
        first=each(tf.cumsum(rows, exclusive=True)) + head,
    )


def around(layout: Layout, samples: Samples) -> Cells:
    """The pixels around samples."""
    column, right, in_width = _axis(samples.x_px, layout.width)
    line, below, in_height = _axis(samples.y_px, layout.height)
    row = line * layout.down + column * layout.heads
    row += layout.first + samples.image[:, tf.newaxis]
    inside = tf.cast(in_width & in_height, right.dtype)
    return Cells(row, right, below, inside, samples.weights * inside)


def _axis(place: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Index of the first pixel, border counted; the second's share; does it count?"""
    lower = tf.floor(place)
    # Clipped as integers: a NaN then reaches the loss instead of failing the fetch.
    index = tf.cast(lower, tf.int32) + BORDER
    inside = (index >= 0) & (index <= size)
    return tf.clip_by_value(index, 0, size), place - lower, inside


def corner_weights(cells: Cells) -> list[tf.Tensor]:
    """Weights of the four pixels, [R, K] each."""
    bottom = cells.weights * cells.below
    top = cells.weights - bottom
    top_right, bottom_right = top * cells.right, bottom * cells.right
    return [top - top_right, top_right, bottom - bottom_right, bottom_right]


def entries(layout: Layout, cells: Cells) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and weights of the pixels, [R * heads, 4 * L * P] each."""
    below = cells.row + layout.down
    rows = [cells.row, cells.row + layout.heads, below, below + layout.heads]
    samples = cells.row.shape[-1] // layout.heads

    def joined(corners: list[tf.Tensor]) -> tf.Tensor:
        return tf.concat([tf.reshape(c, [-1, samples]) for c in corners], axis=1)

    return joined(rows), joined(corner_weights(cells))


def bordered(level: tf.Tensor) -> tf.Tensor:
    """Rows of one map, float [B, rows, D]."""
    border = [BORDER, BORDER]
    padded = tf.pad(level, [[0, 0], border, border, [0, 0], [0, 0]])
    return tf.reshape(padded, [tf.shape(level)[0], -1, level.shape[-1]])
