import math

import numpy as np
import pytest
import tensorflow as tf

from model.loss import losses

pytestmark = pytest.mark.onednn


def test_no_object_counts_a_tenth():
    logits = tf.zeros([2, 3])  # two classes and "no object": each has probability 1/3
    found = losses.classification(logits, tf.constant([1, 2]), 0.1)
    np.testing.assert_allclose(found, [math.log(3), 0.1 * math.log(3)], rtol=1e-6)


def test_classes_weigh_what_they_are_given_and_no_object_as_before():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=[5, 3]).astype(np.float32)
    classes = np.array([0, 1, 2, 1, 0])
    found = losses.classification(tf.constant(logits), classes, 0.1, (3.0, 0.5))
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    weights = np.array([3.0, 0.5, 0.1])[classes]
    expected = -weights * log_probs[np.arange(5), classes]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_point_cross_entropy_is_the_mean_over_points():
    logits = tf.constant([[0.0, math.log(3.0)]])  # probabilities 1/2 and 3/4
    found = losses.point_cross_entropy(logits, tf.constant([[1.0, 0.0]]))
    assert float(found[0]) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_dice_has_one_added_above_and_below():
    logits = tf.constant([[0.0, math.log(3.0)]])
    found = losses.point_dice(logits, tf.constant([[1.0, 0.0]]))
    # overlap 1/2, probabilities 5/4, targets 1
    assert float(found[0]) == pytest.approx(1 - 2 / 3.25)


def test_dice_of_nothing_predicted_where_nothing_is_is_zero():
    found = losses.point_dice(tf.fill([1, 4], -100.0), tf.zeros([1, 4]))
    assert float(found[0]) == pytest.approx(0.0)


def test_extreme_logits_give_finite_losses_and_gradients():
    logits = tf.Variable([[1e4, -1e4, 1e4, -1e4]])
    targets = tf.constant([[1.0, 1.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = losses.point_cross_entropy(logits, targets)
        loss += losses.point_dice(logits, targets)
    assert np.isfinite(loss).all()
    assert np.isfinite(tape.gradient(loss, logits)).all()
