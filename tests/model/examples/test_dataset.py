import collections

import numpy as np
import pytest
import tensorflow as tf

from model import config
from model.examples import categories, dataset

_CLASSES = [categories.Category(3, "disk", 1), categories.Category(7, "box", 1)]
_MEAN = np.zeros(3, np.float32)
_STD = np.ones(3, np.float32)
_PLAIN = {"crop_size": 32, "min_scale": 1.0, "max_scale": 1.0, "flip_probability": 0.0}


def _settings(**changes):
    values = {"batch_size": 2, "augment": _PLAIN, "max_instances": 5}
    return config.TrainConfig(**{**values, **changes})


def _mask(top, left, size=32, side=8):
    mask = np.zeros([size, size], np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def _load(serialized, settings=None, seed=(0, 0)):
    lookup = categories.class_index_lookup(_CLASSES)
    settings = settings or _settings()
    load = dataset.load_example
    return load(serialized, lookup, settings, _MEAN, _STD, tf.constant(seed))


def _batches(files, settings, seed=0, start_step=0, share=None):
    return dataset.train_dataset(
        files, _CLASSES, settings, _MEAN, _STD, seed, start_step, share
    )


def _numbers(batch):
    return batch["images"].numpy()[:, 0, 0, 0].astype(int).tolist()


def test_image_masks_and_classes_arrive_together(serialize_example):
    pixels = np.random.default_rng(0).integers(0, 256, [32, 32, 3]).astype(np.uint8)
    masks = [_mask(2, 3), _mask(10, 20)]
    found = _load(serialize_example(pixels, masks, [7, 3]))
    np.testing.assert_array_equal(found["images"], pixels)
    np.testing.assert_array_equal(found["masks"], masks)
    assert found["class_index"].numpy().tolist() == [1, 0]
    assert int(found["num_instances"]) == 2


def test_gray_images_get_three_equal_channels(serialize_example):
    pixels = np.random.default_rng(0).integers(0, 256, [32, 32]).astype(np.uint8)
    found = _load(serialize_example(pixels, [_mask(0, 0)], [3]))["images"]
    np.testing.assert_array_equal(found, np.repeat(pixels[..., None], 3, axis=-1))


def test_crowds_and_unknown_classes_are_left_out(serialize_example):
    masks = [_mask(0, 0), _mask(8, 8), _mask(16, 16)]
    example = serialize_example(
        np.zeros([32, 32], np.uint8), masks, [3, 99, 7], crowds=[1, 0, 0]
    )
    found = _load(example)
    np.testing.assert_array_equal(found["masks"], masks[2:])
    assert found["class_index"].numpy().tolist() == [1]


def test_instances_outside_the_crop_are_dropped(serialize_example):
    settings = _settings(augment={**_PLAIN, "min_scale": 2.0, "max_scale": 2.0})
    masks = [_mask(16 * (k // 2), 16 * (k % 2)) for k in range(4)]
    example = serialize_example(np.zeros([32, 32], np.uint8), masks, [3] * 4)
    counts = set()
    for seed in range(20):
        found = _load(example, settings, (0, seed))
        visible = found["masks"].numpy().any(axis=(1, 2))
        assert visible.all()
        counts.add(int(found["num_instances"]))
    assert min(counts) < 4


def test_no_more_than_max_instances_are_kept(serialize_example):
    masks = [_mask(k, k) for k in range(9)]
    found = _load(serialize_example(np.zeros([32, 32], np.uint8), masks, [3] * 9))
    assert int(found["num_instances"]) == 5
    assert int(found["left_out"]) == 4
    assert found["masks"].shape[0] == 5


def test_batches_tell_which_images_they_hold(ten_images):
    batch = next(iter(_batches(ten_images, _settings())))
    assert batch["image_id"].numpy().tolist() == _numbers(batch)
    assert batch["left_out"].numpy().tolist() == [0] * len(_numbers(batch))


def test_an_image_without_instances_is_one_row_of_padding(serialize_example):
    found = _load(serialize_example(np.zeros([32, 32], np.uint8), [], []))
    assert int(found["num_instances"]) == 0
    assert found["class_index"].numpy().tolist() == [-1]
    assert int(tf.reduce_sum(tf.cast(found["masks"], tf.int32))) == 0


def test_batches_are_padded_to_their_largest_number_of_instances(ten_images):
    for batch in _batches(ten_images, _settings()).take(5):
        numbers = _numbers(batch)
        counts = [number % 3 for number in numbers]
        assert batch["num_instances"].numpy().tolist() == counts
        assert batch["masks"].shape[1] == max(1, *counts)
        padding = batch["class_index"].numpy() == -1
        assert padding.sum(axis=1).tolist() == [
            max(1, *counts) - count for count in counts
        ]


def test_xla_gets_static_shapes(ten_images):
    spec = _batches(ten_images, _settings(xla=True)).element_spec
    assert spec["masks"].shape.as_list() == [2, 5, 32, 32]


def test_the_seed_alone_decides_what_comes(ten_images):
    jitter = {"crop_size": 32, "min_scale": 0.5, "max_scale": 2.0}
    settings = _settings(augment=jitter)
    tf.random.set_seed(1)
    first = [b["images"].numpy() for b in _batches(ten_images, settings).take(7)]
    tf.random.set_seed(2)
    again = [b["images"].numpy() for b in _batches(ten_images, settings).take(7)]
    other = [b["images"].numpy() for b in _batches(ten_images, settings, 1).take(7)]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("start", "changes"),
    [
        (1, {}),
        (5, {}),
        (17, {"repeat_threshold": 1.0, "keep_empty_images": False}),
    ],
)
def test_a_resumed_run_gets_the_batches_it_would_have_had(ten_images, start, changes):
    colours = {"brightness": 0.5, "hue": 0.2}
    jitter = {**_PLAIN, "min_scale": 0.5, "max_scale": 2.0, "colour_jitter": colours}
    settings = _settings(augment=jitter, shuffle_images=4, **changes)
    expected = list(_batches(ten_images, settings).take(start + 3))[start:]
    found = list(_batches(ten_images, settings, start_step=start).take(3))
    for batch, twin in zip(found, expected, strict=True):
        for key in batch:
            np.testing.assert_array_equal(batch[key], twin[key])


def test_copies_of_an_image_are_augmented_each_on_its_own(ten_images):
    jitter = {**_PLAIN, "min_scale": 0.5, "max_scale": 2.0}
    settings = _settings(augment=jitter, repeat_threshold=1.0, batch_size=1)
    counts = collections.Counter()
    for batch in _batches(ten_images, settings).take(13):
        if int(batch["images"][0, 0, 0, 0]) == 2:
            counts[int(tf.reduce_sum(tf.cast(batch["masks"], tf.int32)))] += 1
    assert sum(counts.values()) == 2 and len(counts) == 2


def test_a_share_of_the_batch_is_what_the_whole_batch_has_there(ten_images):
    jitter = {**_PLAIN, "min_scale": 0.5, "max_scale": 2.0}
    settings = _settings(augment=jitter, batch_size=4)
    whole = _batches(ten_images, settings).take(4)
    parts = _batches(ten_images, settings, share=range(2, 4)).take(4)
    for batch, part in zip(whole, parts, strict=True):
        for key in ("class_index", "num_instances"):
            np.testing.assert_array_equal(part[key], batch[key])
        for key in ("images", "masks"):
            np.testing.assert_array_equal(part[key][2:], batch[key][2:])
            assert not part[key][:2].numpy().any()
        assert batch["images"][:2].numpy().any()


def test_turns_take_image_and_masks_alike(serialize_example):
    pixels = np.random.default_rng(0).integers(0, 256, [32, 32, 3]).astype(np.uint8)
    masks = [_mask(2, 3), _mask(10, 20)]
    example = serialize_example(pixels, masks, [7, 3])
    settings = _settings(augment={**_PLAIN, "quarter_turns": True})
    seen = set()
    for seed in range(12):
        found = _load(example, settings, (0, seed))
        shown = found["images"].numpy()
        turns = [k for k in range(4) if np.array_equal(np.rot90(pixels, k), shown)]
        np.testing.assert_array_equal(
            found["masks"], np.rot90(masks, turns[0], axes=(1, 2))
        )
        seen.add(turns[0])
    assert len(seen) > 1


def test_pasted_objects_come_from_other_images(ten_images):
    settings = _settings(augment={**_PLAIN, "copy_paste": 1.0})
    batches = list(_batches(ten_images, settings).take(20))
    pasted = 0
    for batch in batches:
        for image, masks, number in zip(
            batch["images"].numpy(),
            batch["masks"].numpy(),
            batch["image_id"].numpy(),
            strict=True,
        ):
            foreign = (image != number).any(axis=-1)
            pasted += int(foreign.any())
            assert masks.any(axis=0)[foreign].all()
    assert pasted > 5


@pytest.mark.parametrize("chance", [0.0, 0.5])
def test_pasting_follows_from_the_seed_and_goes_on_after_a_restart(ten_images, chance):
    settings = _settings(augment={**_PLAIN, "copy_paste": chance})
    whole = list(_batches(ten_images, settings, seed=3).take(9))
    rest = list(_batches(ten_images, settings, seed=3, start_step=6).take(3))
    for expected, found in zip(whole[6:], rest, strict=True):
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value)


def test_a_share_of_a_pasted_batch_agrees_on_counts_and_classes(ten_images):
    settings = _settings(augment={**_PLAIN, "copy_paste": 0.7})
    whole = _batches(ten_images, settings).take(6)
    mine = _batches(ten_images, settings, share=range(1, 2)).take(6)
    for expected, found in zip(whole, mine, strict=True):
        for key in ("class_index", "num_instances"):
            np.testing.assert_array_equal(found[key], expected[key])
        for key in ("images", "masks"):
            np.testing.assert_array_equal(found[key][1], expected[key][1])
