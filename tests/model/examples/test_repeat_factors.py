import numpy as np
import pytest

from model.examples import repeat_factors


def test_factors_are_those_of_the_paper():
    # Class 0 in 4 of 4 images, class 1 in one, class 2 in none: f = 1, 0.25, 0.
    images = [[0], [0, 0], [0, 1, 1], [0]]
    found = repeat_factors.compute([7, 8, 9, 10], [np.array(i) for i in images], 3, 0.5)
    assert found.of_class[:2].tolist() == pytest.approx([1.0, 2**0.5])
    assert found.of_image.tolist() == pytest.approx([1.0, 1.0, 2**0.5, 1.0])


def test_images_without_objects_count_as_images_and_come_once():
    none = np.zeros(0, np.int64)
    found = repeat_factors.compute([1, 2], [np.array([0]), none], 1, 1.0)
    assert found.of_image.tolist() == pytest.approx([2**0.5, 1.0])


def test_copies_are_the_factor_on_average_and_its_neighbours_each_time():
    ids = np.arange(4000)
    for factor, whole in ((1.0, {1}), (2.0, {2}), (2.3, {2, 3})):
        drawn = repeat_factors.copies(np.full(4000, factor, np.float32), ids, 0, 5)
        assert set(drawn.numpy().tolist()) == whole
        assert drawn.numpy().mean() == pytest.approx(factor, abs=0.03)


def test_lots_differ_between_epochs_seeds_and_images():
    factors, ids = np.full(64, 1.5, np.float32), np.arange(64)
    first = repeat_factors.copies(factors, ids, 0, 0).numpy()
    for seed, epoch, moved in ((0, 1, ids), (1, 0, ids), (0, 0, ids + 64)):
        other = repeat_factors.copies(factors, moved, seed, epoch).numpy()
        assert 16 < (first != other).sum() < 48
    again = [int(repeat_factors.copies(np.float32(1.5), i, 0, 0)) for i in ids]
    assert again == first.tolist()
