"""Bilinear sampling of maps at points.

Points are `xy_unit`: x and y in [0, 1] over the whole map, whose pixel centres lie at
(index + 0.5) / size (align_corners false); outside the map everything is zero.
`keras.ops.image.map_coordinates` does the like for one map at a time.
"""

from typing import NamedTuple

import tensorflow as tf

from model.kernels import compute_target, row_parts, row_sums

_BEFORE, _BEHIND = 1, 2  # pixels of border
# The place of a point, and indices, weights and values of the four pixels around it.
POINT_BYTES = 64
_MANY_CHANNELS = 32  # with few (10 were tried) fetching beats sparse products


class Places(NamedTuple):
    """Points, the form that is fastest to work on.

    Attributes:
        x_unit, y_unit: float32 [M, P].
    """

    x_unit: tf.Tensor
    y_unit: tf.Tensor


class Maps(NamedTuple):
    """Single-channel maps with a border of zeros, so that no sample lies outside.

    Attributes:
        pixels: [N * (H + 3) * (W + 3)], one row and column before, two behind.
        height, width: int32 [], of the maps without their border.
    """

    pixels: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor


def bordered(maps: tf.Tensor) -> Maps:
    """Makes maps [N, H, W] of any type ready for `sample`."""
    height, width = tf.shape(maps)[1], tf.shape(maps)[2]
    padded = tf.pad(maps, [[0, 0], [_BEFORE, _BEHIND], [_BEFORE, _BEHIND]])
    return Maps(tf.reshape(padded, [-1]), height, width)


def sample(maps: Maps, map_index: tf.Tensor, places: Places) -> tf.Tensor:
    """Samples single-channel maps, each row of points from a map of its choice.

    Args:
        maps: N maps; of integers only the fetched ones are converted.
        map_index: int32 [M], the map that a row of points belongs to.
        places: of M rows of points.

    Returns:
        float32 [M, P].
    """
    (here, beside, under, across), right, below = _around(maps, map_index, places)
    if maps.pixels.dtype == tf.float32:
        # Neighbours as one number: fetching it takes no longer than fetching one.
        pairs = tf.complex(maps.pixels, tf.roll(maps.pixels, -1, axis=0))
        upper, lower = tf.gather(pairs, here), tf.gather(pairs, under)
        here, beside = tf.math.real(upper), tf.math.imag(upper)
        under, across = tf.math.real(lower), tf.math.imag(lower)
    else:
        here, beside, under, across = (
            tf.cast(tf.gather(maps.pixels, corner), tf.float32)
            for corner in (here, beside, under, across)
        )
    top = here + right * (beside - here)
    return top + below * (under + right * (across - under) - top)


def sample_maps(maps: tf.Tensor, map_index: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """`sample` of maps [N, H, W] at points float32 [M, P, 2], xy_unit."""
    return sample(bordered(maps), map_index, Places(*tf.unstack(points, axis=-1)))


def sample_features(features: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Samples all channels of a feature map at points shared by the channels.

    No gradient is to be taken through it: see `row_sums.sums`.

    Args:
        features: float32 [B, H, W, C].
        points: float32 [B, P, 2], xy_unit.

    Returns:
        float32 [B, P, C].
    """
    batch, height, width, _ = tf.unstack(tf.shape(features))
    channels = features.shape[-1]
    border = [_BEFORE, _BEHIND]
    padded = tf.pad(features, [[0, 0], border, border, [0, 0]])
    rows = tf.reshape(padded, [-1, channels])
    places = Places(*tf.unstack(points, axis=-1))
    corners, right, below = _around(Maps(rows, height, width), tf.range(batch), places)
    if compute_target.is_cpu() and channels >= _MANY_CHANNELS:
        total = _sparse_sums(rows, corners, right, below)
        return tf.reshape(total, [batch, -1, channels])
    here, beside, under, across = (tf.gather(rows, corner) for corner in corners)
    right, below = right[..., tf.newaxis], below[..., tf.newaxis]
    top = here + right * (beside - here)
    return top + below * (under + right * (across - under) - top)


def _sparse_sums(
    rows: tf.Tensor, corners: list[tf.Tensor], right: tf.Tensor, below: tf.Tensor
) -> tf.Tensor:
    """Samples, float32 [B * P, C], without fetching the pixels around them first."""
    top, left = 1.0 - below, 1.0 - right
    weights = [top * left, top * right, below * left, below * right]
    index, weights = (
        tf.reshape(tf.stack(each, axis=-1), [-1, 4]) for each in (corners, weights)
    )
    return row_sums.sums(rows, row_sums.lines(tf.shape(index)[0], 4), index, weights)


def spread(upstream: tf.Tensor, places: Places, shape: tf.Tensor) -> tf.Tensor:
    """The gradient of sampling maps, each at points of its own.

    Works on a few maps at a time.

    Args:
        upstream: float32 [M, P], of the samples.
        shape: int32 [3], M, H and W of the maps.

    Returns:
        float32 [M, H, W].
    """
    sides = [shape[1] + _BEFORE + _BEHIND, shape[2] + _BEFORE + _BEHIND]

    def of_part(rows: tuple[tf.Tensor, Places]) -> tf.Tensor:
        upstream, places = rows
        count = tf.shape(upstream)[0]
        maps = Maps(upstream, shape[1], shape[2])
        corners, right, below = _around(maps, tf.range(count), places)
        under = upstream * below
        top = upstream - under
        beside, across = top * right, under * right
        total = tf.math.unsorted_segment_sum(
            tf.concat([top - beside, beside, under - across, across], axis=1),
            tf.concat(corners, axis=1),
            count * sides[0] * sides[1],
        )
        total = tf.reshape(total, [count, *sides])
        return total[:, _BEFORE:-_BEHIND, _BEFORE:-_BEHIND]

    row_bytes = places.x_unit.shape[1] * POINT_BYTES
    return row_parts.in_parts(of_part, (upstream, places), row_bytes, tf.float32)


def _around(
    maps: Maps, map_index: tf.Tensor, places: Places
) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
    """The four pixels around points: indices, and shares of right and below.

    Returns:
        Four int32 [M, P] and two float32 [M, P].
    """
    column, right = _axis(places.x_unit, maps.width)
    row, below = _axis(places.y_unit, maps.height)
    stride = maps.width + _BEFORE + _BEHIND
    first = map_index * ((maps.height + _BEFORE + _BEHIND) * stride)
    here = row * stride + column + first[:, tf.newaxis]
    return [here, here + 1, here + stride, here + stride + 1], right, below


def _axis(place_unit: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Index of the lower neighbour, border counted, and the upper one's share."""
    length = tf.cast(size, tf.float32)
    # Farther out than the first pixel of the border everything is zero as well.
    place = tf.clip_by_value(place_unit * length - 0.5, -1.0, length)
    lower = tf.floor(place)
    return tf.cast(lower, tf.int32) + _BEFORE, place - lower
