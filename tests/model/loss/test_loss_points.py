import numpy as np
import pytest
import tensorflow as tf

from model.kernels import compute_target, point_sampling, row_parts
from model.loss import loss_points

pytestmark = pytest.mark.onednn

_HEIGHT, _WIDTH, _MAPS = 6, 5, 3
_CANDIDATES, _RANDOM, _KEPT = 30, 4, 9


def _hats(points):
    """Share of every pixel in a sample at each point, [P, H, W], zero outside."""
    x = points[:, 0, np.newaxis] * _WIDTH - 0.5 - np.arange(_WIDTH)
    y = points[:, 1, np.newaxis] * _HEIGHT - 0.5 - np.arange(_HEIGHT)
    x_hat, y_hat = (np.maximum(0.0, 1.0 - np.abs(each)) for each in (x, y))
    return y_hat[:, :, np.newaxis] * x_hat[:, np.newaxis]


def _arguments():
    rng = np.random.default_rng(5)
    maps = rng.normal(size=[_MAPS, _HEIGHT, _WIDTH]).astype(np.float32)
    masks = (rng.random([7, _HEIGHT, _WIDTH]) < 0.5).astype(np.uint8)
    pattern = loss_points.Pattern(
        rng.random([_CANDIDATES, 2], np.float32),
        rng.random([_RANDOM, 2], np.float32),
        _KEPT,
    )
    return maps, masks, np.array([4, 0, 6]), rng.random([_MAPS, 2], np.float32), pattern


def _expected(maps, masks, index, shifts, pattern):
    """Pairs of logit and target of each map, sorted; and the gradient of their squares.

    Worked out map by map from the definition.
    """
    every = np.concatenate([pattern.candidates, pattern.random])
    pairs, gradients = [], np.zeros_like(maps)
    for number, own in enumerate(maps):
        hats = _hats((every + shifts[number]) % 1.0)
        facts = np.einsum("phw,hw->p", hats, masks[index[number]])
        logits = np.einsum("phw,hw->p", hats, own)
        kept = np.argsort(np.abs(logits[:_CANDIDATES]))[:_KEPT]
        kept = [*kept, *range(_CANDIDATES, len(every))]
        pairs.append(sorted(zip(logits[kept], facts[kept], strict=True)))
        gradients[number] = np.einsum("p,phw->hw", 2.0 * logits[kept], hats[kept])
    return np.array(pairs), gradients


@pytest.mark.parametrize("is_for_xla", [False, True])
@pytest.mark.parametrize("part_bytes", [1, 1 << 20])
def test_each_mask_is_looked_at_where_it_is_least_sure(
    part_bytes, is_for_xla, monkeypatch
):
    monkeypatch.setattr(row_parts, "PART_BYTES", part_bytes)
    maps, masks, index, shifts, pattern = _arguments()
    variable = tf.Variable(maps)

    @tf.function
    def look():
        truth = point_sampling.bordered(tf.constant(masks))
        with tf.GradientTape() as tape:
            logits, targets = loss_points.look(
                tf.convert_to_tensor(variable),
                truth,
                tf.constant(index, tf.int32),
                tf.constant(shifts),
                pattern,
            )
            loss = tf.reduce_sum(tf.square(logits))
        return logits, targets, tape.gradient(loss, variable)

    with compute_target.for_xla(is_for_xla):
        logits, targets, gradient = look()
    assert logits.shape == (_MAPS, _KEPT + _RANDOM)
    pairs = np.stack([logits, targets], axis=-1)
    expected_pairs, expected = _expected(maps, masks, index, shifts, pattern)
    np.testing.assert_allclose(
        [sorted(map(tuple, own)) for own in pairs], expected_pairs, atol=1e-5
    )
    np.testing.assert_allclose(gradient, expected, atol=1e-4)


@pytest.mark.parametrize("is_for_xla", [False, True])
def test_uncertain_are_those_nearest_to_zero(is_for_xla):
    logits = np.random.default_rng(2).normal(size=[3, 50]).astype(np.float32)
    with compute_target.for_xla(is_for_xla):
        found = loss_points.uncertain(tf.constant(logits), 20)
    nearest = np.argsort(np.abs(logits), axis=-1)[..., :20]
    np.testing.assert_array_equal(np.sort(found), np.sort(nearest))


@pytest.mark.parametrize("logit", [0.0, 2.0, np.nan])
def test_equal_logits_and_no_numbers_still_give_as_many_points(logit):
    logits = tf.constant([[logit] * 4, [1.0, -1.0, 0.5, 3.0]])
    found = tf.function(loss_points.uncertain)(logits, 2).numpy()
    assert found.shape == (2, 2)
    assert len(set(found[0])) == 2 and set(found[0]) <= {0, 1, 2, 3}
    assert 2 in found[1]


def test_shifted_patterns_wrap_at_the_edges():
    pattern = tf.constant([[0.5, 0.25], [0.75, 0.5]])
    found = loss_points.shifted(pattern, tf.constant([[0.0, 0.0], [0.5, 0.25]]))
    assert found.numpy().tolist() == [
        [[0.5, 0.25], [0.75, 0.5]],
        [[0.0, 0.5], [0.25, 0.75]],
    ]
