"""Pasted examples beside the same made pixel by pixel in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from model.examples import copy_paste

_SIDE = 16


def _example(rng, count, fill):
    """Random rectangles that may overlap; pixels tell image and place."""
    masks = np.zeros([max(count, 1), _SIDE, _SIDE], np.uint8)
    for mask in masks[:count]:
        top, left = rng.integers(0, _SIDE - 4, 2)
        height, width = rng.integers(2, 8, 2)
        mask[top : top + height, left : left + width] = 1
    classes = rng.integers(0, 9, max(count, 1)).astype(np.int32)
    if not count:
        classes[:] = -1
    return {
        "images": tf.constant(
            fill + rng.random([_SIDE, _SIDE, 3]).astype(np.float32), tf.float32
        ),
        "masks": tf.constant(masks),
        "class_index": tf.constant(classes),
        "num_instances": tf.constant(count),
        "image_id": tf.constant(int(fill), tf.int64),
    }


def _by_hand(below, above, chosen):
    """What `paste` is to give when it takes the objects `chosen`."""
    image = below["images"].numpy().copy()
    masks, classes = [], []
    on_top = above["masks"].numpy()[chosen]
    covered = on_top.any(axis=0)
    for row, column in zip(*np.nonzero(covered), strict=True):
        image[row, column] = above["images"].numpy()[row, column]
    for mask, kind in zip(
        below["masks"].numpy(), below["class_index"].numpy(), strict=True
    ):
        left = mask * ~covered
        if kind >= 0 and left.sum() > 0 and left.sum() >= 0.1 * mask.sum():
            masks.append(left)
            classes.append(kind)
    masks.extend(on_top)
    classes.extend(above["class_index"].numpy()[chosen])
    return image, masks, classes


def _taken(found, above):
    """Which objects of `above` stand at the end, found by their masks."""
    stored = [mask.tobytes() for mask in above["masks"].numpy()]
    chosen = []
    for mask in reversed(found["masks"].numpy()):
        matching = [k for k, each in enumerate(stored) if each == mask.tobytes()]
        if not matching or (chosen and matching[0] >= chosen[0]):
            break
        chosen.insert(0, matching[0])
    return chosen


@pytest.mark.parametrize("seed", range(12))
def test_pixels_masks_and_classes_are_those_made_by_hand(seed):
    rng = np.random.default_rng(seed)
    below, above = _example(rng, 5, 10), _example(rng, 4, 20)
    found = copy_paste.paste(below, above, tf.constant([1, seed]), 100)
    chosen = _taken(found, above)
    image, masks, classes = _by_hand(below, above, chosen)
    np.testing.assert_array_equal(found["images"], image)
    np.testing.assert_array_equal(found["masks"], masks)
    assert found["class_index"].numpy().tolist() == classes
    assert int(found["num_instances"]) == len(classes)
    assert int(found["image_id"]) == 10


def test_any_number_of_objects_is_taken_as_the_seed_says():
    rng = np.random.default_rng(0)
    below, above = _example(rng, 0, 10), _example(rng, 6, 20)
    counts = [
        int(copy_paste.paste(below, above, tf.constant([0, k]), 100)["num_instances"])
        for k in range(40)
    ]
    assert set(counts) >= {0, 1, 3, 5, 6}
    again = copy_paste.paste(below, above, tf.constant([0, 7]), 100)
    assert int(again["num_instances"]) == counts[7]


def test_no_more_objects_than_there_is_room_for():
    rng = np.random.default_rng(1)
    below, above = _example(rng, 3, 10), _example(rng, 8, 20)
    for seed in range(20):
        found = copy_paste.paste(below, above, tf.constant([0, seed]), 4)
        assert int(found["num_instances"]) <= 4
        full = copy_paste.paste(below, above, tf.constant([0, seed]), 2)
        np.testing.assert_array_equal(full["images"], below["images"])


def test_two_images_without_objects_stay_one_row_of_padding():
    rng = np.random.default_rng(2)
    below, above = _example(rng, 0, 10), _example(rng, 0, 20)
    found = copy_paste.paste(below, above, tf.constant([0, 0]), 5)
    assert found["class_index"].numpy().tolist() == [-1]
    assert int(found["num_instances"]) == 0
    assert found["masks"].shape == [1, _SIDE, _SIDE]
    np.testing.assert_array_equal(found["images"], below["images"])


def test_an_object_that_is_almost_covered_is_none_any_more():
    rng = np.random.default_rng(3)
    below, above = _example(rng, 2, 10), _example(rng, 1, 20)
    masks = np.zeros([2, _SIDE, _SIDE], np.uint8)
    masks[0, 0:10, 0:10] = 1  # 100 px, of which 9 stay
    masks[1, 0:10, 4:14] = 1  # 100 px, of which 40 stay and more
    cover = np.zeros([1, _SIDE, _SIDE], np.uint8)
    cover[0, 0:10, 0:10] = 1
    cover[0, 0:9, 0] = 0
    below["masks"], above["masks"] = tf.constant(masks), tf.constant(cover)
    for seed in range(20):
        found = copy_paste.paste(below, above, tf.constant([0, seed]), 9)
        if int(found["num_instances"]) and _taken(found, above):
            kept = found["masks"].numpy()[:-1]
            np.testing.assert_array_equal(kept, [masks[1] * (1 - cover[0])])
            return
    pytest.fail("no seed pasted the object")
