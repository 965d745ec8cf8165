"""Decisions of tools/our_model.py; its numbers: tests/parity."""

import numpy as np
import pytest
import tensorflow as tf

from model.network import transformer_decoder


@pytest.fixture(scope="module")
def our_model(tools):
    return tools["our_model"]


def test_the_network_goes_on_with_the_references_bit_where_rounding_decides(our_model):
    original = transformer_decoder.blocked_pixels
    logits = tf.constant([[[[5.0, -5.0], [1e-6, -1e-6]]]])  # [B, Q, H, W]
    own = original(logits).numpy()
    theirs = ~own
    with our_model._recorded_masks({"blocked/0": theirs}) as found:
        used = transformer_decoder.blocked_pixels(logits).numpy()
    np.testing.assert_array_equal(used.ravel()[:2], own.ravel()[:2])
    np.testing.assert_array_equal(used.ravel()[2:], theirs.ravel()[2:])
    ((kept_logits, kept),) = found
    np.testing.assert_array_equal(kept, own)
    np.testing.assert_array_equal(kept_logits, logits)
    assert transformer_decoder.blocked_pixels is original


def test_masks_are_decoded_to_the_original_size(our_model):
    class_logits = np.array([[[9.0, -9.0, -9.0]]], np.float32)  # [B, Q, K + 1]
    mask_logits = np.full([1, 1, 8, 8], -9.0, np.float32)
    mask_logits[..., :4] = 9.0  # the left half
    (found,) = our_model.detect(
        class_logits, mask_logits, (32, 32), (32, 32), (16, 8), 1
    )
    assert found.class_index.tolist() == [0]
    assert found.scores[0] == pytest.approx(1.0, abs=1e-2)
    assert found.masks.shape == (1, 16, 8) and found.masks.dtype == bool
    assert found.masks[0, :, :3].all() and not found.masks[0, :, 5:].any()


def test_an_image_in_which_nothing_is_found_has_no_masks_of_its_size(our_model):
    class_logits = np.array([[[-9.0, -9.0, 9.0]]], np.float32)
    mask_logits = np.full([1, 1, 8, 8], -9.0, np.float32)
    (found,) = our_model.detect(
        class_logits, mask_logits, (32, 32), (32, 32), (16, 8), 1
    )
    assert found.masks.shape == (0, 16, 8)
    assert len(found.scores) == len(found.class_index) == 0
