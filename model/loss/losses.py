"""Loss terms per query or per mask (paper, section 4.1); sums are the criterion's."""

from collections.abc import Sequence

import tensorflow as tf


def classification(
    class_logits: tf.Tensor,
    classes: tf.Tensor,
    no_object_weight: float,
    class_weights: Sequence[float] = (),
) -> tf.Tensor:
    """Cross-entropy of each query, "no object" weighted down.

    Args:
        class_logits: float32 [..., K + 1].
        classes: int32 [...], 0..K; K is "no object".
        class_weights: K of them, or none where every class weighs 1.

    Returns:
        float32 [...], at least 0. Its sum is to be divided by the sum of the weights.
    """
    no_object = class_logits.shape[-1] - 1
    each = class_weights or [1.0] * no_object
    weights = tf.gather(tf.constant([*each, no_object_weight]), classes)
    return weights * tf.nn.sparse_softmax_cross_entropy_with_logits(
        classes, class_logits
    )


def point_cross_entropy(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy, averaged over a mask's points.

    Args:
        logits: float32 [M, P].
        targets: float32 [M, P] in [0, 1].

    Returns:
        float32 [M], at least 0.
    """
    losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    return tf.reduce_mean(losses, axis=-1)


def point_dice(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """One minus the dice coefficient over a mask's points, both sides plus 1.

    Keras' `Dice` adds 1e-7 to the lower side only.

    Args:
        logits: float32 [M, P].
        targets: float32 [M, P] in [0, 1].

    Returns:
        float32 [M] in [0, 1).
    """
    probs = tf.sigmoid(logits)
    overlap = tf.reduce_sum(probs * targets, axis=-1)
    total = tf.reduce_sum(probs, axis=-1) + tf.reduce_sum(targets, axis=-1)
    return 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)
