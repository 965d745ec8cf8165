"""Which points the mask losses look at, and logits there (Kirillov et al. 2020)."""

import functools
from typing import NamedTuple

import tensorflow as tf

from model.kernels import compute_target, point_sampling, row_parts


class Pattern(NamedTuple):
    """Places that are moved for each mask, see `shifted`.

    Attributes:
        candidates: float32 [R, 2], xy_unit.
        random: float32 [T, 2], xy_unit, looked at in any case.
        num_uncertain: U, how many candidates are kept.
    """

    candidates: tf.Tensor
    random: tf.Tensor
    num_uncertain: int


def look(
    maps: tf.Tensor,
    truth: point_sampling.Maps,
    truth_index: tf.Tensor,
    shifts: tf.Tensor,
    pattern: Pattern,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits and ground truth at the points of each mask.

    Works on a few masks at a time; the gradient keeps only the chosen points, because
    all points together would be larger than the maps.

    Args:
        maps: float32 [M, H, W], logits; the only argument that gets a gradient.
        truth: ground truth masks.
        truth_index: int32 [M], which of them belongs to a map.
        shifts: float32 [M, 2] in [0, 1).

    Returns:
        Two float32 [M, U + T], targets in [0, 1].
    """
    num_points = pattern.candidates.shape[0] + pattern.random.shape[0]
    kind = point_sampling.Places(tf.float32, tf.float32)

    @tf.custom_gradient
    def function(maps: tf.Tensor):
        logits, targets, places = row_parts.in_parts(
            functools.partial(_look, truth, pattern),
            (maps, truth_index, shifts),
            num_points * point_sampling.POINT_BYTES,
            (tf.float32, tf.float32, kind),
        )

        def gradient(upstream: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return point_sampling.spread(upstream, places, tf.shape(maps))

        return (logits, targets), gradient

    return function(maps)


def _look(
    truth: point_sampling.Maps,
    pattern: Pattern,
    rows: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
):
    """Logits, targets and places at the points of some masks."""
    maps, truth_index, shifts = rows
    every = tf.transpose(tf.concat([pattern.candidates, pattern.random], axis=0))
    # x and y apart: sums of tensors whose last axis is 2 are slow.
    places = point_sampling.Places(
        *(_wrapped(every[axis] + shifts[:, axis, tf.newaxis]) for axis in range(2))
    )
    own = tf.range(tf.shape(maps)[0])
    sampled = point_sampling.sample(point_sampling.bordered(maps), own, places)
    num_candidates = pattern.candidates.shape[0]  # sampled: [M, R + T]
    kept = uncertain(sampled[:, :num_candidates], pattern.num_uncertain)
    kept += own[:, tf.newaxis] * sampled.shape[1]

    def chosen(values: tf.Tensor) -> tf.Tensor:
        fetched = tf.gather(tf.reshape(values, [-1]), kept)
        return tf.concat([fetched, values[:, num_candidates:]], axis=1)

    places = point_sampling.Places(*map(chosen, places))
    targets = point_sampling.sample(truth, truth_index, places)
    return chosen(sampled), targets, places


def uncertain(logits: tf.Tensor, count: int) -> tf.Tensor:
    """Which logits are nearest to zero.

    Args:
        logits: float32 [M, R].
        count: how many to keep, at most R.

    Returns:
        int32 [M, count] in [0, R), in no particular order.
    """
    distance = tf.abs(logits)

    def ranked() -> tf.Tensor:
        return tf.math.top_k(-distance, count, sorted=False).indices

    if not compute_target.is_cpu():
        return ranked()
    # Finding the last one kept is four times faster than ranking. The bits of numbers
    # that are not negative are ordered like the numbers, and those of NaN have a place.
    order = tf.bitcast(distance, tf.int32)
    last = tf.raw_ops.NthElement(input=order, n=count - 1)
    kept = tf.where(tf.reshape(order <= last[:, tf.newaxis], [-1]))[:, 0]
    rows, width = logits.shape[0] or tf.shape(logits)[0], logits.shape[1]

    def picked() -> tf.Tensor:
        # The graph optimizer takes a reshape for proof of the size that is asked
        # below, and drops the question; cut to size, it proves nothing.
        found = tf.reshape(tf.cast(kept[: rows * count], tf.int32), [rows, count])
        return found - width * tf.range(rows)[:, tf.newaxis]

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
    return _wrapped(pattern + shifts[:, tf.newaxis])


def _wrapped(places: tf.Tensor) -> tf.Tensor:
    return places - tf.floor(places)
