"""Bilinear sampling of maps at points, and which points the losses look at.

Points are `xy_unit`: x and y in [0, 1] over the whole map, whose pixel centres lie at
(index + 0.5) / size (align_corners false); outside the map everything is zero.
"""

import tensorflow as tf

from model import row_parts

# The place of a point, and indices, weights and values of the four pixels around it.
POINT_BYTES = 64


def sample_maps(maps: tf.Tensor, map_index: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Samples single-channel maps, each row of points from a map of its choice.

    Args:
        maps: float or uint8 [N, H, W]; integers are not converted as a whole.
        map_index: int32 [M], the map that a row of points belongs to.
        points: float32 [M, P, 2], xy_unit.

    Returns:
        float32 [M, P].
    """
    height, width = tf.shape(maps)[1], tf.shape(maps)[2]
    index, weights = _around(points, height, width)  # [M, 4, P]
    start = (map_index * height * width)[:, tf.newaxis, tf.newaxis]
    found = tf.gather(tf.reshape(maps, [-1]), start + index)
    return tf.reduce_sum(tf.cast(found, tf.float32) * weights, axis=1)


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

    def sample(rows):
        maps, points = rows
        return sample_maps(maps, tf.range(tf.shape(maps)[0]), points)

    def spread(rows):
        """Gradient of some maps: the points' share of each pixel around them."""
        maps, points, upstream = rows
        count, height, width = tf.unstack(tf.shape(maps))
        index, weights = _around(points, height, width)  # [M, 4, P]
        index += (tf.range(count) * height * width)[:, tf.newaxis, tf.newaxis]
        shares = weights * tf.expand_dims(upstream, 1)
        total = tf.math.unsorted_segment_sum(shares, index, count * height * width)
        return tf.reshape(total, tf.shape(maps))

    @tf.custom_gradient
    def function(maps):
        def gradient(upstream):
            given = (maps, points, upstream)
            return row_parts.in_parts(spread, given, row_bytes, tf.float32)

        given = (maps, points)
        return row_parts.in_parts(sample, given, row_bytes, tf.float32), gradient

    return function(maps)


def sample_features(features: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Samples all channels of a feature map at points shared by the channels.

    Args:
        features: float32 [B, H, W, C].
        points: float32 [B, P, 2], xy_unit.

    Returns:
        float32 [B, P, C].
    """
    shape = tf.shape(features)
    index, weights = _around(points, shape[1], shape[2])  # [B, 4, P]
    start = (tf.range(shape[0]) * shape[1] * shape[2])[:, tf.newaxis, tf.newaxis]
    found = tf.gather(tf.reshape(features, [-1, features.shape[-1]]), start + index)
    return tf.reduce_sum(found * weights[..., tf.newaxis], axis=1)


def _corners(
    x_px: tf.Tensor, y_px: tf.Tensor, height: tf.Tensor, width: tf.Tensor
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """The four pixels around places in maps of `height` x `width` pixels.

    Args:
        x_px, y_px: float [...]; pixel centres have whole numbers.
        height, width: int32, broadcastable to the places.

    Returns:
        Four int32 [...], flat indices row * width + column, moved inside the map, and
        four float [...], bilinear weights, zero for a pixel outside.
    """
    left, right, x_first, x_second = _axis_corners(x_px, width)
    top, bottom, y_first, y_second = _axis_corners(y_px, height)
    first_row, second_row = y_first * width, y_second * width
    index = [
        first_row + x_first,
        first_row + x_second,
        second_row + x_first,
        second_row + x_second,
    ]
    return index, [top * left, top * right, bottom * left, bottom * right]


def uncertain_points(logits: tf.Tensor, candidates: tf.Tensor, count: int) -> tf.Tensor:
    """The candidates whose logits are nearest to zero (Kirillov et al. 2020).

    Args:
        logits: float32 [M, R], at the candidates.
        candidates: float32 [M, R, 2], xy_unit.
        count: how many to keep, at most R.

    Returns:
        float32 [M, count, 2], in no particular order.
    """
    nearest = tf.math.top_k(-tf.abs(logits), count, sorted=False).indices
    return tf.gather(candidates, nearest, batch_dims=1)


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
    points: tf.Tensor, height: tf.Tensor, width: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Flat indices and weights of the pixels around xy_unit points, [M, 4, P] each."""
    x_unit, y_unit = tf.unstack(points, axis=-1)
    x_px = x_unit * tf.cast(width, tf.float32) - 0.5
    y_px = y_unit * tf.cast(height, tf.float32) - 0.5
    index, weights = _corners(x_px, y_px, height, width)
    return tf.stack(index, axis=1), tf.stack(weights, axis=1)


def _axis_corners(place: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Weights and indices of the lower and the upper neighbour on one axis."""
    lower = tf.floor(place)
    fraction = place - lower
    # Clipped as integers: a NaN then reaches the loss instead of failing the gather.
    index = tf.cast(lower, tf.int32)
    lower_inside = tf.cast((index >= 0) & (index < size), place.dtype)
    upper_inside = tf.cast((index >= -1) & (index < size - 1), place.dtype)
    first = tf.clip_by_value(index, 0, size - 1)
    second = tf.clip_by_value(index + 1, 0, size - 1)
    weights = (1.0 - fraction) * lower_inside, fraction * upper_inside
    return *weights, first, second
