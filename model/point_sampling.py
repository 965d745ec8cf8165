"""Bilinear sampling of maps at points, and which points the losses look at.

Points are `xy_unit`: x and y in [0, 1] over the whole map, whose pixel centres lie at
(index + 0.5) / size (align_corners false); outside the map everything is zero.
"""

from typing import NamedTuple

import tensorflow as tf

from model import cpu_kernels, row_parts

_BEFORE, _BEHIND = 1, 2  # pixels of border
# The place of a point, and indices, weights and values of the four pixels around it.
POINT_BYTES = 64


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


def sample(maps: Maps, map_index: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Samples single-channel maps, each row of points from a map of its choice.

    Args:
        maps: N maps; of integers only the fetched ones are converted.
        map_index: int32 [M], the map that a row of points belongs to.
        points: float32 [M, P, 2], xy_unit.

    Returns:
        float32 [M, P].
    """
    corners, right, below = _around(maps, map_index, points)
    here, beside, under, across = (
        tf.cast(tf.gather(maps.pixels, corner), tf.float32) for corner in corners
    )
    top = here + right * (beside - here)
    return top + below * (under + right * (across - under) - top)


def sample_maps(maps: tf.Tensor, map_index: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """`sample` of maps [N, H, W]."""
    return sample(bordered(maps), map_index, points)


def sample_rows(maps: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Samples each map at points of its own; the points get no gradient.

    Works on a few maps at a time, and again for the gradient: indices and weights of
    all points would be larger than the maps.

    Args:
        maps: float32 [M, H, W].
        points: float32 [M, P, 2], xy_unit.

    Returns:
        float32 [M, P].
    """
    row_bytes = points.shape[1] * POINT_BYTES

    def sample_own(rows):
        maps, points = rows
        return sample_maps(maps, tf.range(tf.shape(maps)[0]), points)

    def spread(rows):
        """Gradient of some maps: the points' share of each pixel around them."""
        maps, points, upstream = rows
        count, height, width = tf.unstack(tf.shape(maps))
        size = Maps(upstream, height, width)
        corners, right, below = _around(size, tf.range(count), points)
        under = upstream * below
        top = upstream - under
        beside, across = top * right, under * right
        shares = tf.concat([top - beside, beside, under - across, across], axis=1)
        sides = [height + _BEFORE + _BEHIND, width + _BEFORE + _BEHIND]
        total = tf.math.unsorted_segment_sum(
            shares, tf.concat(corners, axis=1), count * sides[0] * sides[1]
        )
        inner = slice(_BEFORE, -_BEHIND)
        total = tf.reshape(total, [count, *sides])[:, inner, inner]
        return tf.ensure_shape(total, maps.shape)  # stacking no parts needs it

    @tf.custom_gradient
    def function(maps):
        def gradient(upstream):
            given = (maps, points, upstream)
            return row_parts.in_parts(spread, given, row_bytes, tf.float32)

        given = (maps, points)
        return row_parts.in_parts(sample_own, given, row_bytes, tf.float32), gradient

    return function(maps)


def sample_features(features: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Samples all channels of a feature map at points shared by the channels.

    Args:
        features: float32 [B, H, W, C].
        points: float32 [B, P, 2], xy_unit.

    Returns:
        float32 [B, P, C].
    """
    batch, height, width, _ = tf.unstack(tf.shape(features))
    border = [_BEFORE, _BEHIND]
    padded = tf.pad(features, [[0, 0], border, border, [0, 0]])
    rows = tf.reshape(padded, [-1, features.shape[-1]])
    corners, right, below = _around(Maps(rows, height, width), tf.range(batch), points)
    here, beside, under, across = (tf.gather(rows, corner) for corner in corners)
    right, below = right[..., tf.newaxis], below[..., tf.newaxis]
    top = here + right * (beside - here)
    return top + below * (under + right * (across - under) - top)


def uncertain_points(logits: tf.Tensor, candidates: tf.Tensor, count: int) -> tf.Tensor:
    """The candidates whose logits are nearest to zero (Kirillov et al. 2020).

    Args:
        logits: float32 [M, R], at the candidates.
        candidates: float32 [M, R, 2], xy_unit.
        count: how many to keep, at most R.

    Returns:
        float32 [M, count, 2], in no particular order.
    """
    distance = tf.abs(logits)

    def ranked() -> tf.Tensor:
        nearest = tf.math.top_k(-distance, count, sorted=False).indices
        return tf.gather(candidates, nearest, batch_dims=1)

    if not cpu_kernels.are_usable():
        return ranked()
    # Finding the last one kept is four times faster than ranking. The bits of numbers
    # that are not negative are ordered like the numbers, and those of NaN have a place.
    order = tf.bitcast(distance, tf.int32)
    last = tf.raw_ops.NthElement(input=order, n=count - 1)
    kept = tf.where(tf.reshape(order <= last[:, tf.newaxis], [-1]))[:, 0]
    rows = logits.shape[0] or tf.shape(logits)[0]

    def picked() -> tf.Tensor:
        # The graph optimizer takes a reshape for proof of the size that is asked
        # below, and drops the question; cut to size, it proves nothing.
        chosen = tf.gather(tf.reshape(candidates, [-1, 2]), kept[: rows * count])
        return tf.reshape(chosen, [rows, count, 2])

    # With equal distances there may be more.
    return tf.cond(tf.equal(tf.size(kept), rows * count), picked, ranked)


def shifted(pattern: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Moves a pattern of uniform points around the unit square, wrapping at its edges.

    The moved points are as uniform and as independent of each other as the pattern's,
    and a pattern is drawn once instead of once per mask.

    Args:
        pattern: float32 [P, 2], xy_unit.
        shifts: float32 [M, 2] in [0, 1).

    Returns:
        float32 [M, P, 2], xy_unit.
    """
    moved = pattern + shifts[:, tf.newaxis]
    return moved - tf.floor(moved)


def _around(
    maps: Maps, map_index: tf.Tensor, points: tf.Tensor
) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
    """The four pixels around xy_unit points: indices, and shares of right and below.

    Returns:
        Four int32 [M, P] and two float32 [M, P].
    """
    x_unit, y_unit = tf.unstack(points, axis=-1)
    column, right = _axis(x_unit, maps.width)
    row, below = _axis(y_unit, maps.height)
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
