"""Weighted sums of bilinear samples, each fetched as one cell of 2 x 2 pixels.

A cell lies in memory in one piece: one fetch per sample instead of four. Fetched cells
would be the network's largest tensors by far. They are made and summed up a few rows at
a time, and the gradient fetches them again instead of keeping them.
"""

import functools
from typing import NamedTuple

import tensorflow as tf

from model import row_parts


class _Layout(NamedTuple):
    """The maps that samples lie in, K = heads * L * P samples of a token, heads first.

    Attributes:
        heads: number of heads.
        width, height: int32 [K], px, of the sample's map.
        cell: int32 [K], row of the map's first cell in the table of an image.
    """

    heads: int
    width: tf.Tensor
    height: tf.Tensor
    cell: tf.Tensor


class _Samples(NamedTuple):
    """Samples of some tokens.

    Attributes:
        x_px, y_px: float [R, K], places in the sample's map; pixel centres have whole
            numbers.
        weights: float [R, K].
        image: int32 [R], row of the image's first cell in the whole table.
    """

    x_px: tf.Tensor
    y_px: tf.Tensor
    weights: tf.Tensor
    image: tf.Tensor


def weighted_sums(
    maps: list[tf.Tensor], x_px: tf.Tensor, y_px: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Adds up samples of all maps, zero outside the maps.

    Args:
        maps: L maps, float [B, H, W, heads, D].
        x_px, y_px: float [B, T, heads, L * P], places in their map, map by map; pixel
            centres have whole numbers.
        weights: float [B, T, heads, L * P].

    Returns:
        float [B, T, heads, D].
    """
    batch, count, heads, samples = x_px.shape
    batch, count = batch or tf.shape(x_px)[0], count or tf.shape(x_px)[1]
    layout, cells = _layout(maps, heads, samples // len(maps))
    image = tf.repeat(tf.range(batch) * cells, count)
    rows = (
        tf.reshape(each, [batch * count, heads * samples])
        for each in (x_px, y_px, weights)
    )
    total = _summed(layout, _Samples(*rows, image), maps)
    return tf.reshape(total, [batch, count, heads, maps[0].shape[-1]])


def _layout(maps, heads: int, points: int) -> tuple[_Layout, tf.Tensor]:
    """The layout of some maps, and how many cells an image has, int32 []."""
    shapes = tf.stack([tf.shape(level)[1:3] for level in maps])
    areas = tf.reduce_prod(shapes, axis=1)

    def each(values: tf.Tensor) -> tf.Tensor:  # [L] -> [K]
        return tf.tile(tf.repeat(values, points), [heads])

    head = tf.repeat(tf.range(heads), points * len(maps))
    cell = each(tf.cumsum(areas, exclusive=True)) * heads + head
    layout = _Layout(heads, each(shapes[:, 1]), each(shapes[:, 0]), cell)
    return layout, tf.reduce_sum(areas) * heads


def _summed(layout: _Layout, samples: _Samples, maps: list[tf.Tensor]) -> tf.Tensor:
    """Weighted sums with their gradient, float [R, heads * D]."""
    channels, kind = maps[0].shape[-1], maps[0].dtype
    row_bytes = layout.cell.shape[0] * 4 * channels * kind.size

    @tf.custom_gradient
    def function(x_px, y_px, weights, *maps):
        chosen = _Samples(x_px, y_px, weights, samples.image)
        sums = functools.partial(_sums, _table(maps), layout)
        total = row_parts.in_parts(sums, chosen, row_bytes, kind)

        def gradient(upstream):
            upstream = tf.reshape(upstream, [-1, layout.heads * channels])
            # Waiting for `upstream` keeps the graph optimizer from merging this table
            # with the first one, which would then stay in memory until here.
            with tf.control_dependencies([upstream]):
                table = _table([tf.identity(level) for level in maps])
            *places, rows, near = row_parts.in_parts(
                functools.partial(_gradients, table, layout),
                (chosen, upstream),
                row_bytes,
                (kind, kind, kind, tf.int32, kind),
            )
            return *places, *_maps_gradient(maps, rows, near, upstream)

        return total, gradient

    return function(samples.x_px, samples.y_px, samples.weights, *maps)


def _table(maps) -> tf.Tensor:
    """Every cell of every map of every image, float [B * S * heads, 4 * D].

    A cell is a pixel with those right of, below and below right of it, zero outside.
    """
    batch, heads, channels = tf.shape(maps[0])[0], *maps[0].shape[3:]
    cells = []
    for level in maps:
        padded = tf.pad(level, [[0, 0], [0, 1], [0, 1], [0, 0], [0, 0]])
        here, below = padded[:, :-1], padded[:, 1:]
        corners = [here[:, :, :-1], here[:, :, 1:], below[:, :, :-1], below[:, :, 1:]]
        corners = tf.concat(corners, axis=-1)
        cells.append(tf.reshape(corners, [batch, -1, heads, 4 * channels]))
    return tf.reshape(tf.concat(cells, axis=1), [-1, 4 * channels])


class _Axis(NamedTuple):
    """One axis of samples: a cell's index, its pixels' weights and their slopes."""

    index: tf.Tensor
    first: tf.Tensor
    second: tf.Tensor
    first_slope: tf.Tensor
    second_slope: tf.Tensor


def _axis(place: tf.Tensor, size: tf.Tensor) -> _Axis:
    lower = tf.floor(place)
    fraction = place - lower
    # Clipped as integers: a NaN then reaches the loss instead of failing the fetch.
    index = tf.cast(lower, tf.int32)
    inside = tf.cast((index >= 0) & (index < size), place.dtype)
    # Less than a pixel before the map, only its first pixel is near.
    before = tf.cast(tf.equal(index, -1), place.dtype)
    return _Axis(
        index=tf.clip_by_value(index, 0, size - 1),
        first=(1.0 - fraction) * inside + fraction * before,
        second=fraction * inside,
        first_slope=before - inside,
        second_slope=inside,
    )


def _fetch(table: tf.Tensor, layout: _Layout, samples: _Samples):
    """Fetches the cells of samples.

    Returns:
        The two axes; int32 [R, K], rows of the table; float [R * heads, L * P * 4, D].
    """
    x_axis = _axis(samples.x_px, layout.width)
    y_axis = _axis(samples.y_px, layout.height)
    rows = (y_axis.index * layout.width + x_axis.index) * layout.heads
    rows += layout.cell + samples.image[:, tf.newaxis]
    points = rows.shape[-1] // layout.heads
    cells = tf.reshape(tf.gather(table, rows), [-1, points * 4, table.shape[-1] // 4])
    return x_axis, y_axis, rows, cells


def _near(x_axis: _Axis, y_axis: _Axis, weights: tf.Tensor) -> tf.Tensor:
    """Weights of the pixels of cells, float [R, K, 4]."""
    top, bottom = weights * y_axis.first, weights * y_axis.second
    corners = [
        top * x_axis.first,
        top * x_axis.second,
        bottom * x_axis.first,
        bottom * x_axis.second,
    ]
    return tf.stack(corners, axis=-1)


def _sums(table: tf.Tensor, layout: _Layout, samples: _Samples) -> tf.Tensor:
    """Weighted sums, float [R, heads * D]."""
    x_axis, y_axis, _, cells = _fetch(table, layout, samples)
    near = _near(x_axis, y_axis, samples.weights)
    near = tf.reshape(near, [-1, 1, cells.shape[1]])
    return tf.reshape(near @ cells, [-1, layout.heads * cells.shape[-1]])


def _gradients(
    table: tf.Tensor, layout: _Layout, given: tuple[_Samples, tf.Tensor]
) -> tuple[tf.Tensor, ...]:
    """Gradients of x, y and weights, [R, K] each; rows [R, K] and near [R, K, 4]."""
    samples, upstream = given
    x_axis, y_axis, rows, cells = _fetch(table, layout, samples)
    column = tf.reshape(upstream, [-1, cells.shape[-1], 1])
    shares = tf.reshape(cells @ column, [-1, rows.shape[-1], 4])
    here, right, below, below_right = tf.unstack(shares, axis=-1)
    on_first = y_axis.first * here + y_axis.second * below
    on_second = y_axis.first * right + y_axis.second * below_right
    on_top = x_axis.first * here + x_axis.second * right
    on_bottom = x_axis.first * below + x_axis.second * below_right
    return (
        samples.weights
        * (x_axis.first_slope * on_first + x_axis.second_slope * on_second),
        samples.weights
        * (y_axis.first_slope * on_top + y_axis.second_slope * on_bottom),
        x_axis.first * on_first + x_axis.second * on_second,
        rows,
        _near(x_axis, y_axis, samples.weights),
    )


def _maps_gradient(maps, rows, near, upstream) -> list[tf.Tensor]:
    """Every sample's share added to its cell, cells added to their pixels."""
    batch, heads, channels = tf.shape(maps[0])[0], *maps[0].shape[3:]
    areas = [tf.reduce_prod(tf.shape(level)[1:3]) for level in maps]
    count = tf.add_n(areas) * heads  # cells of an image

    def of_image(piece):
        image, rows, near, upstream = piece
        near = tf.reshape(near, [-1, near.shape[-2] // heads * 4, 1])
        # An outer product by matmul: a third of the time of a broadcast product.
        shares = near @ tf.reshape(upstream, [-1, 1, channels])
        shares = tf.reshape(shares, [-1, 4 * channels])
        index = tf.reshape(rows, [-1]) - image * count
        return tf.math.unsorted_segment_sum(shares, index, count)

    def cut(tensor: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tensor, tf.concat([[batch, -1], tf.shape(tensor)[1:]], 0))

    images = (tf.range(batch), *(cut(tensor) for tensor in (rows, near, upstream)))
    table = tf.map_fn(
        of_image, images, fn_output_signature=upstream.dtype, parallel_iterations=1
    )  # [B, S * heads, 4 * D]
    table = tf.reshape(table, [batch, -1, heads, 4 * channels])
    parts = tf.split(table, areas, axis=1, num=len(maps))
    return [_pixels(part, level) for part, level in zip(parts, maps, strict=True)]


def _pixels(cells: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
    """Adds cells [B, H * W, heads, 4 * D] to their pixels, [B, H, W, heads, D]."""
    cells = tf.reshape(cells, tf.concat([tf.shape(level)[:-1], [-1]], axis=0))
    corners = tf.split(cells, 4, axis=-1)

    def moved(corner: tf.Tensor, down: int, right: int) -> tf.Tensor:
        paddings = [[0, 0], [down, 1 - down], [right, 1 - right], [0, 0], [0, 0]]
        return tf.pad(corner, paddings)

    places = ((0, 0), (0, 1), (1, 0), (1, 1))
    padded = [moved(corner, *to) for corner, to in zip(corners, places, strict=True)]
    return tf.ensure_shape(tf.add_n(padded)[:, :-1, :-1], level.shape)
