import math

import numpy as np
import pytest
import tensorflow as tf

from model import train_sections
from model.loss import criterion, matcher

pytestmark = pytest.mark.onednn

_SETTINGS = train_sections.LossConfig(num_points=16)
_STEP_SEED = tf.constant([3, 4])


def _predictions(batch=2, layers=2, queries=3, classes=2, seed=0):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return tf.constant(rng.normal(size=shape).astype(np.float32))

    return {
        "class_logits": tuple(draw(batch, queries, classes + 1) for _ in range(layers)),
        "mask_embeddings": tuple(draw(batch, queries, 4) for _ in range(layers)),
        "mask_features": draw(batch, 8, 8, 4),
    }


def _batch(counts=(2, 1), padded=2, side=32):
    rng = np.random.default_rng(1)
    masks = np.zeros([len(counts), padded, side, side], np.uint8)
    class_index = np.full([len(counts), padded], -1, np.int32)
    for image, count in enumerate(counts):
        for instance in range(count):
            top, left = rng.integers(0, side // 2, 2)
            masks[image, instance, top : top + 12, left : left + 12] = 1
            class_index[image, instance] = instance % 2
    return {
        "masks": tf.constant(masks),
        "class_index": tf.constant(class_index),
        "num_instances": tf.constant(counts, tf.int32),
    }


def _points(effective, images, layers, padded, settings=_SETTINGS):
    return criterion.draw_points(
        _STEP_SEED, effective, tf.constant(images), layers, padded, settings
    )


def _terms(
    predictions,
    batch,
    divisors=None,
    points=None,
    skip_padding=True,
    class_weights=(),
):
    count, padded = batch["class_index"].shape
    layers = len(predictions["class_logits"])
    queries = predictions["class_logits"][0].shape[1]
    points = points or _points(count, list(range(count)), layers, padded)
    divisors = divisors or criterion.normalisers(
        batch["num_instances"], queries, _SETTINGS
    )
    cost = criterion.matching_costs(predictions, batch, points, _SETTINGS)
    query_index, _ = matcher.assign(cost, batch["num_instances"])
    return criterion.loss_terms(
        predictions,
        batch,
        query_index,
        points,
        divisors,
        _SETTINGS,
        skip_padding,
        class_weights,
    )


def test_normalisers_follow_from_counts_alone():
    # 5 queries an image; 2 and 5 of 7 instances can be matched: 7 of 15 queries.
    found = criterion.normalisers(tf.constant([2, 7, 0]), 5, _SETTINGS)
    assert float(found.num_masks) == 9.0
    assert float(found.class_weight) == pytest.approx(7 + 0.1 * 8)


def test_a_batch_without_instances_divides_by_one_mask():
    found = criterion.normalisers(tf.constant([0, 0]), 5, _SETTINGS)
    assert float(found.num_masks) == 1.0
    assert float(found.class_weight) == pytest.approx(1.0)


def test_target_classes_are_no_object_unless_matched():
    query_index = tf.constant([[[2, 0, -1]], [[-1, -1, -1]]])
    class_index = tf.constant([[1, 0, -1], [-1, -1, -1]])
    found = criterion.target_classes(query_index, class_index, tf.zeros([2, 1, 4, 4]))
    assert found.numpy().tolist() == [[[0, 3, 1, 3]], [[3, 3, 3, 3]]]


def test_a_prediction_that_knows_everything_loses_almost_nothing():
    # Channel 0 of the features is the first mask at stride 4, channel 1 the second.
    masks = np.zeros([1, 2, 32, 32], np.uint8)
    masks[0, 0, :16] = 1
    masks[0, 1, 16:, :8] = 1
    features = np.where(masks[:, :, 2::4, 2::4] > 0, 40.0, -40.0).transpose(0, 2, 3, 1)
    embeddings = np.array([[[0, 1], [0, 0], [1, 0]]])  # query 2 is the first instance
    logits = np.array([[[-9, 9, -9], [-9, -9, 9], [9, -9, -9]]])
    predictions = {
        "class_logits": (tf.constant(logits, tf.float32),),
        "mask_embeddings": (tf.constant(embeddings, tf.float32),),
        "mask_features": tf.constant(features, tf.float32),
    }
    batch = {
        "masks": tf.constant(masks),
        "class_index": tf.constant([[0, 1]]),
        "num_instances": tf.constant([2]),
    }
    points = _points(1, [0], 1, 2)
    cost = criterion.matching_costs(predictions, batch, points, _SETTINGS)
    query_index, _ = matcher.assign(cost, batch["num_instances"])
    assert query_index.numpy().tolist() == [[[2, 0]]]
    assert float(_terms(predictions, batch)["class"][0]) < 1e-3


def test_mask_losses_at_a_uniform_map_are_those_by_hand():
    # All logits 0: every point costs log 2; dice is 1 - (a + 1) / (P / 2 + a + 1)
    # with a the number of foreground points, here all 16 or none of them.
    predictions = {
        "class_logits": (tf.zeros([1, 2, 3]),),
        "mask_embeddings": (tf.zeros([1, 2, 4]),),
        "mask_features": tf.ones([1, 8, 8, 4]),
    }
    masks = np.zeros([1, 2, 32, 32], np.uint8)
    masks[0, 0] = 1
    batch = {
        "masks": tf.constant(masks),
        "class_index": tf.constant([[0, 1]]),
        "num_instances": tf.constant([2]),
    }
    found = _terms(predictions, batch)
    assert float(found["mask"][0]) == pytest.approx(5 * math.log(2), rel=1e-5)
    # Points within half a pixel of the border see the zeros outside: close to, but
    # not exactly, the 16 foreground points.
    dice = (1 - 17 / 25 + 1 - 1 / 9) / 2
    assert float(found["dice"][0]) == pytest.approx(5 * dice, rel=0.02)
    assert float(found["class"][0]) == pytest.approx(2 * math.log(3), rel=1e-5)


def test_padding_changes_nothing():
    predictions, batch = _predictions(), _batch()
    wider = {
        "masks": tf.pad(batch["masks"], [[0, 0], [0, 3], [0, 0], [0, 0]]),
        "class_index": tf.pad(
            batch["class_index"], [[0, 0], [0, 3]], constant_values=-1
        ),
        "num_instances": batch["num_instances"],
    }
    points = _points(2, [0, 1], 2, 2)
    shifts = tf.pad(points.shifts, [[0, 0], [0, 0], [0, 3], [0, 0]])
    expected = _terms(predictions, batch, points=points)
    found = _terms(predictions, wider, points=points._replace(shifts=shifts))
    for term in criterion.TERMS:
        np.testing.assert_allclose(found[term], expected[term], rtol=1e-5)


def test_static_shapes_give_the_same_losses():
    predictions, batch = _predictions(), _batch()
    expected = _terms(predictions, batch, skip_padding=True)
    found = _terms(predictions, batch, skip_padding=False)
    for term in criterion.TERMS:
        np.testing.assert_allclose(found[term], expected[term], rtol=1e-5)


def test_parts_of_a_batch_add_up_to_the_whole():
    predictions, batch = _predictions(batch=4), _batch(counts=(2, 0, 1, 2))
    divisors = criterion.normalisers(batch["num_instances"], 3, _SETTINGS)
    whole = _terms(predictions, batch, divisors)
    total = dict.fromkeys(criterion.TERMS, 0.0)
    for start in (0, 2):
        part = slice(start, start + 2)
        part_terms = _terms(
            tf.nest.map_structure(lambda value, part=part: value[part], predictions),
            {key: value[part] for key, value in batch.items()},
            divisors,
            _points(4, [start, start + 1], 2, 2),
        )
        total = {term: total[term] + part_terms[term] for term in total}
    for term in criterion.TERMS:
        np.testing.assert_allclose(total[term], whole[term], rtol=1e-5)


@pytest.mark.parametrize("counts", [(0, 0), (2, 0)])
def test_images_without_instances_give_only_a_class_loss(counts):
    predictions, batch = _predictions(), _batch(counts=counts)
    variables = [tf.Variable(e) for e in predictions["mask_embeddings"]]
    with tf.GradientTape() as tape:
        terms = _terms({**predictions, "mask_embeddings": tuple(variables)}, batch)
        loss = tf.add_n([tf.reduce_sum(term) for term in terms.values()])
    assert np.isfinite(loss)
    gradients = tape.gradient(loss, variables)
    assert all(float(tf.reduce_max(tf.abs(g[1]))) == 0.0 for g in gradients)
    assert (float(terms["mask"][0]) == 0.0) == (sum(counts) == 0)


def test_more_instances_than_queries_match_every_query():
    predictions, batch = _predictions(queries=1), _batch(counts=(2, 2))
    points = _points(2, [0, 1], 2, 2)
    cost = criterion.matching_costs(predictions, batch, points, _SETTINGS)
    query_index, _ = matcher.assign(cost, batch["num_instances"])
    assert (query_index.numpy() >= 0).sum() == 2 * 2
    assert all(np.isfinite(term).all() for term in _terms(predictions, batch).values())


def test_points_of_an_image_do_not_depend_on_how_the_batch_is_cut():
    whole = _points(4, [0, 1, 2, 3], 2, 3)
    part = _points(4, [2, 3], 2, 3)
    np.testing.assert_array_equal(whole.matching[2:], part.matching)
    np.testing.assert_array_equal(whole.shifts[2:], part.shifts)
    np.testing.assert_array_equal(whole.candidates, part.candidates)


def test_three_quarters_of_the_points_come_from_three_times_as_many_candidates():
    points = _points(1, [0], 1, 1, train_sections.LossConfig(num_points=100))
    assert points.candidates.shape == (300, 2)
    assert points.random.shape == (25, 2)
    assert points.matching.shape == (1, 100, 2)


def test_weights_of_classes_are_in_the_class_loss_alone():
    predictions, batch = _predictions(layers=1), _batch()
    plain = _terms(predictions, batch)
    weighted = _terms(predictions, batch, class_weights=(3.0, 0.5))
    for term in ("mask", "dice"):
        np.testing.assert_array_equal(weighted[term], plain[term])
    cost = criterion.matching_costs(
        predictions, batch, _points(2, [0, 1], 1, 2), _SETTINGS
    )
    queries, _ = matcher.assign(cost, batch["num_instances"])
    logits = predictions["class_logits"][0].numpy()
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    classes = np.full([2, 3], 2)
    for image, count in enumerate((2, 1)):
        classes[image, queries[image, 0, :count]] = np.arange(count)
    weights = np.array([3.0, 0.5, 0.1])[classes]
    picked = np.take_along_axis(log_probs, classes[..., None], -1)[..., 0]
    # Three objects and three queries without: the divisor is that of weights of 1.
    expected = 2.0 * -(weights * picked).sum() / (3 + 3 * 0.1)
    np.testing.assert_allclose(weighted["class"], [expected], rtol=1e-5)
