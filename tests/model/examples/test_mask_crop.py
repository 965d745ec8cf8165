import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.examples import mask_crop, mask_rle

MASKS = tf.function(mask_crop.masks, reduce_retracing=True)
IS_VISIBLE = tf.function(mask_crop.is_visible, reduce_retracing=True)


def flattened(masks):
    runs = [mask_rle.runs_from_mask(mask) for mask in masks]
    run_lengths = np.concatenate([np.zeros(0, np.int64), *runs])
    return run_lengths, np.array([run.size for run in runs], np.int64)


def random_masks(seed, number, height, width):
    rng = np.random.default_rng(seed)
    masks = (rng.random([number, height, width]) < 0.4).astype(np.uint8)
    if number > 2:
        masks[0], masks[1] = 0, 1  # a single run of zeros; none of zeros
    return masks


@st.composite
def crops(draw):
    """Masks, and the rows and columns that a crop looks up."""
    size = st.integers(1, 12)
    shape = st.tuples(st.integers(0, 4), size, size)
    pixels = hnp.arrays(np.uint8, shape, elements=st.integers(0, 1))
    masks = draw(pixels)
    places = [
        np.sort(draw(st.lists(st.integers(0, side - 1), min_size=1, max_size=40)))
        for side in masks.shape[1:]
    ]
    return masks, places[0], places[1][:: draw(st.sampled_from([1, -1]))]


@settings(deadline=None, max_examples=200)
@given(crops())
def test_a_crop_is_what_indexing_dense_masks_gives(crop):
    masks, rows, columns = crop
    expected = masks[:, rows][:, :, columns]
    stored = [tf.constant(each) for each in (*flattened(masks), masks.shape[1])]
    looked_up = (tf.constant(rows), tf.constant(columns.copy()))
    found = MASKS(*stored, *looked_up)
    assert found.dtype == tf.uint8
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        IS_VISIBLE(*stored, *looked_up), expected.any(axis=(1, 2))
    )


@pytest.mark.parametrize("number", [0, 1, 6])
def test_all_pixels_are_the_masks_the_runs_came_from(number):
    masks = random_masks(number, number, 7, 5)
    dense = mask_crop.masks(*flattened(masks), 7, range(7), range(5))
    np.testing.assert_array_equal(dense, masks)


def test_more_runs_than_a_byte_counts_add_up():
    board = (np.indices([400, 30]).sum(axis=0) % 2).astype(np.uint8)
    runs = flattened([board])
    assert runs[0].size > 10_000
    rows = np.arange(1, 400, 8)  # most changes fall between two rows
    found = mask_crop.masks(*runs, 400, rows, range(30))
    np.testing.assert_array_equal(found[0], board[rows])


def test_runs_of_zero_do_not_spill_into_the_next_object():
    runs = [1, 2, 0, 1, 0, 4, 0]  # 2 x 2: object 0 = 0 1 1 1, object 1 = 1 1 1 1
    stored = (np.array(runs), np.array([4, 3]), 2)
    dense = mask_crop.masks(*stored, range(2), range(2))
    assert dense.numpy().tolist() == [[[0, 1], [1, 1]], [[1, 1], [1, 1]]]


def test_images_of_all_sizes_go_through_dataset_map():
    images = [
        random_masks(seed, *size)
        for seed, size in enumerate([(0, 4, 6), (3, 7, 5), (1, 2, 9)])
    ]

    def rows():
        for masks in images:
            yield (*flattened(masks), *masks.shape[1:])

    def crop(run_lengths, num_runs, height, width):
        looked_up = (tf.range(height), tf.range(width))
        return mask_crop.masks(run_lengths, num_runs, height, *looked_up)

    vector, scalar = tf.TensorSpec([None], tf.int64), tf.TensorSpec([], tf.int64)
    dataset = tf.data.Dataset.from_generator(
        rows, output_signature=(vector, vector, scalar, scalar)
    ).map(crop)
    for dense, masks in zip(dataset, images, strict=True):
        np.testing.assert_array_equal(dense, masks)


def test_memory_follows_the_crop_not_the_picture():
    # Dense, the masks of this picture would take 40 GB.
    side, count = 20_000, 100
    run_lengths = np.tile([side * 9_000 + 9_000, 500, side * side], count)
    run_lengths[2::3] -= run_lengths[:2].sum()
    stored = (run_lengths, np.full(count, 3), side)
    found = mask_crop.masks(*stored, range(8_992, 9_024), range(8_984, 9_016))
    expected = np.zeros([32, 32])
    expected[8:, 16] = 1
    np.testing.assert_array_equal(found, np.tile(expected, [count, 1, 1]))
