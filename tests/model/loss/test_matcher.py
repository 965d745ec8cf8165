import itertools

import numpy as np
import pytest
import tensorflow as tf

from model import train_sections
from model.loss import matcher

_SETTINGS = train_sections.LossConfig()


def _random_case(seed, shape=(2, 3, 4, 2), points=5, classes=3):
    rng = np.random.default_rng(seed)
    batch, levels, queries, instances = shape
    return (
        rng.normal(size=[batch, levels, queries, classes + 1]).astype(np.float32),
        3 * rng.normal(size=[batch, levels, queries, points]).astype(np.float32),
        rng.integers(0, classes, [batch, instances]).astype(np.int32),
        rng.uniform(size=[batch, instances, points]).astype(np.float32),
    )


def _pair_cost(class_logits, logits, class_index, target):
    """The cost of one pair, term by term, as the paper writes it."""
    logits, target = logits.astype(np.float64), target.astype(np.float64)
    class_probs = np.exp(class_logits) / np.exp(class_logits).sum()
    probs = 1 / (1 + np.exp(-logits))
    cross = -(target * np.log(probs) + (1 - target) * np.log(1 - probs)).mean()
    dice = 1 - (2 * (probs * target).sum() + 1) / (probs.sum() + target.sum() + 1)
    return -2.0 * class_probs[class_index] + 5.0 * cross + 5.0 * dice


def test_costs_are_the_weighted_terms_of_each_pair():
    case = _random_case(0)
    found = matcher.costs(*case, _SETTINGS).numpy()
    for b, level, q, n in np.ndindex(2, 3, 4, 2):
        class_logits, logits, class_index, targets = case
        expected = _pair_cost(
            class_logits[b, level, q],
            logits[b, level, q],
            class_index[b, n],
            targets[b, n],
        )
        assert found[b, level, q, n] == pytest.approx(expected, abs=1e-4)


def test_extreme_logits_have_finite_costs():
    class_logits, logits, class_index, targets = _random_case(1)
    cost = matcher.costs(class_logits, 1e4 * logits, class_index, targets, _SETTINGS)
    assert np.isfinite(cost).all()


def _cheapest_total(problem):
    """Brute force over all ways to pair rows with columns."""
    if problem.shape[0] < problem.shape[1]:
        problem = problem.T
    rows, columns = problem.shape
    return min(
        sum(problem[row, column] for column, row in enumerate(chosen))
        for chosen in itertools.permutations(range(rows), columns)
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("queries", "instances"), [(4, 2), (3, 3), (2, 4)])
def test_assignment_is_the_cheapest_of_all(queries, instances, seed):
    cost = np.random.default_rng(seed).normal(size=[1, 2, queries, instances])
    query_index, num_bad = matcher.solve(cost, np.array([instances]))
    for level in range(2):
        chosen = [(q, n) for n, q in enumerate(query_index[0, level]) if q >= 0]
        assert len(chosen) == min(queries, instances)
        assert len({q for q, _ in chosen}) == len(chosen)
        total = sum(cost[0, level, q, n] for q, n in chosen)
        assert total == pytest.approx(_cheapest_total(cost[0, level]))
    assert num_bad == 0


def test_padding_and_images_without_instances_stay_unmatched():
    cost = np.zeros([2, 1, 3, 2], np.float32)
    query_index, _ = matcher.solve(cost, np.array([1, 0]))
    assert query_index[0, 0, 0] >= 0
    assert query_index[0, 0, 1] == -1
    assert query_index[1].tolist() == [[-1, -1]]


def test_batches_without_any_instance_give_nothing_to_match():
    query_index, num_bad = matcher.solve(np.zeros([2, 3, 4, 0]), np.array([0, 0]))
    assert query_index.shape == (2, 3, 0)
    assert num_bad == 0


def test_costs_that_are_not_finite_are_counted_and_avoided():
    cost = np.array([[[[np.nan, 1.0], [2.0, np.inf], [3.0, -np.inf]]]])
    query_index, num_bad = matcher.solve(cost, np.array([2]))
    assert query_index.tolist() == [[[1, 0]]]
    assert num_bad == 3


def test_costs_in_padding_are_not_counted():
    cost = np.array([[[[1.0, np.nan]]]])
    assert matcher.solve(cost, np.array([1]))[1] == 0


def test_all_problems_of_a_step_are_one_operation_in_the_graph():
    @tf.function
    def assign(cost, num_instances):
        return matcher.assign(cost, num_instances)

    cost = tf.random.stateless_normal([2, 10, 5, 3], [0, 1])
    graph = assign.get_concrete_function(cost, tf.constant([3, 1])).graph
    host_calls = [op for op in graph.get_operations() if "PyFunc" in op.type]
    assert len(host_calls) == 1
    query_index, num_bad = assign(cost, tf.constant([3, 1]))
    expected, _ = matcher.solve(cost.numpy(), np.array([3, 1]))
    np.testing.assert_array_equal(query_index, expected)
    assert int(num_bad) == 0


def test_a_solver_with_a_clock_around_it_is_the_one_that_is_asked():
    asked = []

    def timed(*arguments):
        asked.append(arguments[0].shape)
        return matcher.solve(*arguments)

    cost = tf.constant([[[[1.0, 0.0], [0.0, 5.0]]]])  # [B, L, Q, N]
    found = tf.function(lambda: matcher.assign(cost, tf.constant([2]), timed))()
    assert asked == [(1, 1, 2, 2)]
    assert found[0].numpy().tolist() == [[[1, 0]]]
