import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf

from foundation import errors
from model import config
from model.examples import categories, epochs, features

_CLASSES = [categories.Category(3, "disk", 1), categories.Category(7, "box", 1)]
_LOOKUP = categories.class_index_lookup(_CLASSES)


def _numbers(files, count, seed=0, first_image=0, **changes):
    """Ids of so many images."""
    settings = config.TrainConfig(**changes)
    records = epochs.read(files, _LOOKUP, 2, settings, seed, first_image)
    return [
        int(features.parse_example(record, (features.IMAGE_ID,))[features.IMAGE_ID])
        for record in records.take(count)
    ]


def test_every_epoch_shows_every_image_once_in_another_order(ten_images):
    numbers = _numbers(ten_images, 30)
    shown = [tuple(numbers[start : start + 10]) for start in (0, 10, 20)]
    assert [sorted(epoch) for epoch in shown] == 3 * [list(range(10))]
    assert len(set(shown)) == 3


def test_the_seed_alone_decides_the_order(ten_images):
    orders = []
    for global_seed, seed in ((1, 0), (2, 0), (1, 5)):
        tf.random.set_seed(global_seed)
        orders.append(_numbers(ten_images, 20, seed))
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("first_image", [1, 9, 10, 27])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"keep_empty_images": False},
        {"repeat_threshold": 1.0},
        {"repeat_threshold": 1.0, "keep_empty_images": False},
    ],
)
def test_a_later_start_goes_on_where_that_image_was(ten_images, first_image, changes):
    changes = {**changes, "shuffle_images": 4}
    whole = _numbers(ten_images, first_image + 15, **changes)
    assert _numbers(ten_images, 15, 0, first_image, **changes) == whole[first_image:]


def test_images_move_no_further_than_those_that_are_shuffled_at_a_time(ten_images):
    # The ten come from one file here, so that only records are shuffled.
    (first, *_) = ten_images
    stored = [0, 1, 2, 3, 4]
    assert _numbers([first], 5, shuffle_images=1) == stored
    numbers = _numbers([first], 5 * 40, shuffle_images=2)
    orders = {tuple(numbers[start : start + 5]) for start in range(0, 200, 5)}
    pairs = [itertools.permutations(stored[start : start + 2]) for start in (0, 2)]
    wanted = {(*one, *two, 4) for one, two in itertools.product(*pairs)}
    assert orders == wanted


def test_files_come_in_another_order_from_epoch_to_epoch(
    serialize_example, write_records, tmp_path
):
    pixels = np.zeros([8, 8], np.uint8)
    files = [
        write_records(
            tmp_path / f"{n}.gz", [serialize_example(pixels, [], [], image_id=n)]
        )
        for n in range(3)
    ]
    numbers = _numbers(files, 3 * 60, shuffle_images=1)
    orders = collections.Counter(
        tuple(numbers[start : start + 3]) for start in range(0, len(numbers), 3)
    )
    assert set(orders) == set(itertools.permutations(range(3)))


def test_rare_classes_are_repeated_as_often_as_their_factor(ten_images):
    # Class 3 is in 6 of 10 images, class 7 in 3: factors 1.29 and 1.83 at t = 1.
    seen = collections.Counter(_numbers(ten_images, 800, repeat_threshold=1.0))
    once = np.mean([seen[number] for number in (0, 3, 6, 9)])
    for rest, factor in ((1, (10 / 6) ** 0.5), (2, (10 / 3) ** 0.5)):
        often = np.mean([seen[number] for number in range(10) if number % 3 == rest])
        assert often / once == pytest.approx(factor, rel=0.05)


def test_empty_images_can_be_left_out(ten_images):
    numbers = _numbers(ten_images, 18, keep_empty_images=False)
    with_instances = [number for number in range(10) if number % 3]
    assert sorted(numbers) == sorted(3 * with_instances)


def test_a_crowd_and_an_unknown_category_are_trained_on_by_no_class():
    example = {
        features.CATEGORY_ID: tf.constant([7, 3, 3, 99], tf.int64),
        features.IS_CROWD: tf.constant([0, 1, 0, 0], tf.int64),
    }
    found = epochs.trained_classes(example, _LOOKUP)
    assert found.dtype == tf.int32
    assert found.numpy().tolist() == [1, -1, 0, -1]


def test_an_image_of_crowds_and_unknown_categories_is_an_empty_one(
    serialize_example, write_records, tmp_path
):
    mask = np.ones([8, 8], np.uint8)
    examples = [
        serialize_example(mask, [mask], [category_id], [is_crowd], image_id)
        for image_id, category_id, is_crowd in ((1, 3, 1), (2, 99, 0), (3, 3, 0))
    ]
    files = [write_records(tmp_path / "a.gz", examples)]
    assert _numbers(files, 4, keep_empty_images=False) == [3] * 4
    assert sorted(_numbers(files, 3)) == [1, 2, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"keep_empty_images": False},
        {"keep_empty_images": False, "repeat_threshold": 1.0},
    ],
)
@pytest.mark.parametrize("first_image", [0, 5])
def test_a_split_without_a_usable_image_is_refused_with_the_key_to_allow_it(
    serialize_example, write_records, tmp_path, changes, first_image
):
    empty = serialize_example(np.zeros([32, 32], np.uint8), [], [])
    files = [write_records(tmp_path / "empty.gz", [empty])]
    with pytest.raises(errors.PipelineError, match="no image to train on") as caught:
        _numbers(files, 1, 0, first_image, **changes)
    assert "set train.keep_empty_images to true" in str(caught.value)


def test_files_that_are_gone_are_a_split_without_an_image():
    with pytest.raises(errors.PipelineError, match="no image to train on"):
        _numbers([], 1)
