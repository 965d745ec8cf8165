"""Where bilinear samples of several maps lie, as rows of one table of pixels."""

from typing import NamedTuple

import tensorflow as tf

BEFORE, BEHIND = 2, 2  # pixels of zeros around every map, so that no cell lies outside


class Layout(NamedTuple):
    """The maps that samples lie in, K = heads * L * P samples of a token, heads first.

    A table has a row for each head of each pixel, border included, of each map.

    Attributes:
        heads: number of heads.
        num_rows: int32 [], rows of an image.
        map_rows: L int32 [], rows of each map of an image.
        width, height: int32 [K], px, of the sample's map.
        down: int32 [K], rows from a pixel to the one below it.
        first: int32 [K], row of the first pixel that is no border, of the sample's map
            and head in an image.
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
        weights: float, as the samples'.
    """

    row: tf.Tensor
    right: tf.Tensor
    below: tf.Tensor
    weights: tf.Tensor


def layout_of(maps: list[tf.Tensor], heads: int, points: int) -> Layout:
    """How samples of some maps lie.

    Args:
        maps: L maps, float [B, H, W, heads, D].
        points: P, samples of a token and a head in each map.
    """
    shapes = tf.stack([tf.shape(level)[1:3] for level in maps])
    sides = shapes + BEFORE + BEHIND
    rows = tf.reduce_prod(sides, axis=1) * heads

    def each(values: tf.Tensor) -> tf.Tensor:  # [L] -> [K]
        return tf.tile(tf.repeat(values, points), [heads])

    head = tf.repeat(tf.range(heads), points * len(maps))
    down = each(sides[:, 1] * heads)
    return Layout(
        heads=heads,
        num_rows=tf.reduce_sum(rows),
        map_rows=tf.unstack(rows),
        width=each(shapes[:, 1]),
        height=each(shapes[:, 0]),
        down=down,
        first=each(tf.cumsum(rows, exclusive=True)) + head + BEFORE * (down + heads),
    )


def around(layout: Layout, samples: Samples) -> Cells:
    """The pixels around samples; a sample outside of its map has pixels of the border.

    Or one of the map, with a share of 0.
    """
    column, right = _axis(samples.x_px, layout.width)
    line, below = _axis(samples.y_px, layout.height)
    row = line * layout.down + column * layout.heads
    row += layout.first + samples.image[:, tf.newaxis]
    return Cells(row, right, below, samples.weights)


def _axis(place: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Index of the first pixel, below 0 for the border; the second's share."""
    place = tf.clip_by_value(place, -float(BEFORE), tf.cast(size, place.dtype))
    lower = tf.floor(place)
    # Of NaN, which is to reach the loss instead of failing the fetch, the index is 0
    # or far below.
    return tf.maximum(tf.cast(lower, tf.int32), -BEFORE), place - lower


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
    border = [BEFORE, BEHIND]
    padded = tf.pad(level, [[0, 0], border, border, [0, 0], [0, 0]])
    return tf.reshape(padded, [tf.shape(level)[0], -1, level.shape[-1]])
