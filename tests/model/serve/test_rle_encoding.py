import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from model.serve import rle_encoding

encode = tf.function(
    rle_encoding.encode, input_signature=[tf.TensorSpec([None, None, None], tf.bool)]
)


def expected(masks):
    coded = [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]
    return [rle["counts"] for rle in coded]


def random_masks(rng, count, height, width):
    """Noise of every density, and rectangles with long runs."""
    masks = rng.random((count, height, width)) < rng.random((count, 1, 1))
    for mask in masks[: count // 2]:
        top, left = rng.integers(0, height), rng.integers(0, width)
        mask[:] = False
        mask[top : top + height // 2 + 1, left : left + width // 2 + 1] = True
    return masks


@pytest.mark.parametrize("seed", range(12))
def test_equals_pycocotools_bit_for_bit(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 70, 2))
    masks = random_masks(rng, 16, height, width)
    assert encode(masks).numpy().tolist() == expected(masks)


def test_empty_full_and_single_pixel_masks():
    masks = np.zeros((5, 9, 7), bool)
    masks[1] = True
    masks[2, 0, 0] = True
    masks[3, 8, 6] = True
    masks[4, 4, 3] = True
    assert encode(masks).numpy().tolist() == expected(masks)


def test_runs_of_more_than_four_characters():
    masks = np.zeros((2, 1500, 1100), bool)  # 1.65 million pixels, 21 bits
    masks[1, 700, 600] = True
    assert encode(masks).numpy().tolist() == expected(masks)


def test_a_growing_and_a_shrinking_run_use_both_signs():
    mask = np.zeros((1, 1000, 1), bool)
    for begin, end in ((10, 11), (12, 512), (513, 514), (515, 900), (990, 999)):
        mask[0, begin:end] = True
    assert encode(mask).numpy().tolist() == expected(mask)


def test_no_masks_give_no_strings():
    assert encode(np.zeros((0, 4, 5), bool)).shape == (0,)


def test_a_mask_does_not_depend_on_its_neighbours():
    rng = np.random.default_rng(3)
    masks = random_masks(rng, 6, 20, 30)
    together = encode(masks).numpy().tolist()
    alone = [encode(mask[None]).numpy()[0] for mask in masks]
    assert together == alone


def test_columns_are_the_transposed_masks():
    masks = np.random.default_rng(0).random((3, 5, 8)) < 0.5
    columns = rle_encoding.encode_columns(tf.transpose(masks, [0, 2, 1]))
    assert columns.numpy().tolist() == expected(masks)
