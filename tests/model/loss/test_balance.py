import numpy as np
import pytest

from model.loss import balance


@pytest.mark.parametrize("power", [0.5, 1.0, 0.25])
def test_weights_fall_with_the_count_and_are_one_on_average(power):
    counts = np.array([4, 100, 1])
    raw = counts**-power
    expected = raw * counts.sum() / (raw * counts).sum()
    found = balance.class_weights(counts.tolist(), power)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.dot(found, counts) == pytest.approx(counts.sum())


def test_the_inverse_square_root_by_hand():
    # 1/sqrt: 0.5 and 1; over 4 + 1 instances 3 in all, so the mean is 0.6.
    assert balance.class_weights([4, 1], 0.5) == pytest.approx([0.5 / 0.6, 1 / 0.6])


def test_equal_classes_weigh_as_without():
    assert balance.class_weights([7, 7], 0.5) == pytest.approx([1.0, 1.0])


def test_a_class_without_an_instance_takes_nothing_from_the_others():
    assert balance.class_weights([4, 0, 1], 0.5)[1] == 1.0
    others = balance.class_weights([4, 1], 0.5)
    assert balance.class_weights([4, 0, 1], 0.5)[::2] == pytest.approx(others)


def test_off_there_are_none():
    assert balance.class_weights([4, 1], 0.0) == ()
