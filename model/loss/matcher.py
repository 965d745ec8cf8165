"""Pairs predictions with ground truth (paper, section 4.1; Carion et al. 2020)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from scipy import optimize

from model import train_sections

_LIMIT = 1e6
_SMALLEST = np.finfo(np.float32).tiny


def costs(
    class_logits: tf.Tensor,
    mask_logits: tf.Tensor,
    class_index: tf.Tensor,
    targets: tf.Tensor,
    settings: train_sections.LossConfig,
) -> tf.Tensor:
    """What it would cost to pair each query with each instance.

    Weighted sum of minus the class probability, the binary cross-entropy and the dice
    loss over an image's points.

    Args:
        class_logits: float32 [B, L, Q, K + 1], L the supervised predictions.
        mask_logits: float32 [B, L, Q, P], at the points.
        class_index: int32 [B, N], -1 where there is no instance.
        targets: float32 [B, N, P] in [0, 1], at the points.

    Returns:
        float32 [B, L, Q, N]; columns without an instance hold nothing of use.
    """
    shape = tf.shape(class_logits)
    batch, rows = shape[0], shape[1] * shape[2]
    class_probs = tf.reshape(tf.nn.softmax(class_logits), [batch, rows, -1])
    columns = tf.one_hot(class_index, class_logits.shape[-1])  # [B, N, K + 1]
    class_cost = -tf.matmul(class_probs, columns, transpose_b=True)  # [B, L * Q, N]
    logits = tf.reshape(mask_logits, [batch, rows, -1])
    probs = tf.sigmoid(logits)
    combined = (
        settings.class_weight * class_cost
        + settings.mask_weight * _cross_entropy_cost(logits, probs, targets)
        + settings.dice_weight * _dice_cost(probs, targets)
    )
    return tf.reshape(combined, [batch, shape[1], shape[2], -1])


def _cross_entropy_cost(
    logits: tf.Tensor, probs: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """[B, R, P] twice and [B, N, P] -> [B, R, N], mean over the points."""
    # -log sigmoid(x) = softplus(x) - x, so one product serves both kinds of pixel.
    hits = tf.matmul(logits, targets, transpose_b=True)
    # softplus from the probability, which is there: a third of its own kernel's time.
    softplus = tf.nn.relu(logits - tf.math.log(tf.maximum(probs, _SMALLEST)))
    total = tf.reduce_sum(softplus, axis=-1, keepdims=True)
    return (total - hits) / tf.cast(tf.shape(targets)[-1], tf.float32)


def _dice_cost(probs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """[B, R, P] and [B, N, P] -> [B, R, N]."""
    overlap = tf.matmul(probs, targets, transpose_b=True)
    total = tf.reduce_sum(probs, axis=-1, keepdims=True)
    total += tf.reduce_sum(targets, axis=-1)[:, tf.newaxis]
    return 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)


def assign(
    cost: tf.Tensor,
    num_instances: tf.Tensor,
    solver: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.int32]]
    | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Solves every matching problem of a step in one call on the host.

    Args:
        cost: float32 [B, L, Q, N].
        num_instances: int32 [B], instances of each image, at most N.
        solver: `solve`, if need be with a clock around it.

    Returns:
        int32 [B, L, N], the query of each instance, -1 for padding and for instances
        left over when there are more of them than queries; and int32 [], how many
        costs were not finite (they count as very bad pairs).
    """
    query_index, num_bad = tf.numpy_function(
        solver or solve, [cost, num_instances], [tf.int32, tf.int32], stateful=False
    )
    shape = cost.shape
    query_index.set_shape([shape[0], shape[1], shape[3]])
    num_bad.set_shape([])
    return query_index, num_bad


def solve(cost: np.ndarray, num_instances: np.ndarray) -> tuple[np.ndarray, np.int32]:
    """The host's part of `assign`, same arguments and results as arrays."""
    batch, num_predictions, _, padded = cost.shape
    query_index = np.full((batch, num_predictions, padded), -1, np.int32)
    num_bad = 0
    for image, count in enumerate(num_instances):
        problem = cost[image, :, :, :count]  # [L, Q, n]
        finite = np.isfinite(problem)
        if not finite.all():
            num_bad += problem.size - int(finite.sum())
            problem = np.where(finite, problem, _LIMIT)
        for level in range(num_predictions):
            queries, instances = optimize.linear_sum_assignment(problem[level])
            query_index[image, level, instances] = queries
    return query_index, np.int32(num_bad)
