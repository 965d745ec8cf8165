import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from model.serve import postprocess

pytestmark = pytest.mark.onednn


def detect(class_logits, mask_logits, canvas, content, original, max_detections=5):
    found = postprocess.detect(
        tf.constant(class_logits, tf.float32),
        tf.constant(mask_logits, tf.float32),
        tf.constant(canvas),
        tf.constant(content),
        tf.constant(original),
        max_detections,
    )
    return {key: value.numpy() for key, value in found.items()}


def logits_of(*probs):
    return np.log(np.asarray(probs, np.float32))


def decode(counts, height, width):
    return coco_mask.decode({"size": [height, width], "counts": counts})


def square(height=8, width=8, value=4.0):
    """Mask logits: the top left 4x4 quarter is inside."""
    logits = np.full([height, width], -value, np.float32)
    logits[:4, :4] = value
    return logits


def test_score_is_class_probability_times_mean_mask_probability():
    mask = square()
    mask[0, 0] = np.log(3.0)  # probability 0.75 at one of the 16 pixels
    found = detect(
        [[logits_of(0.7, 0.1, 0.2)]], [[mask]], [8, 8], [[8, 8]], [[8, 8]], 1
    )
    inside = 1.0 / (1.0 + np.exp(-4.0))
    assert found["scores"][0, 0] == pytest.approx(0.7 * (15 * inside + 0.75) / 16)
    assert found["class_index"][0, 0] == 0


def test_one_query_is_found_under_several_classes():
    found = detect(
        [[logits_of(0.6, 0.3, 0.1)]], [[square()]], [8, 8], [[8, 8]], [[8, 8]]
    )
    assert found["num_detections"].tolist() == [2]
    assert found["class_index"][0].tolist() == [0, 1, -1, -1, -1]
    assert found["masks_rle"][0, 0] == found["masks_rle"][0, 1]
    assert found["scores"][0, 0] == pytest.approx(2 * found["scores"][0, 1])


def test_no_object_is_never_found():
    found = detect(
        [[logits_of(0.05, 0.05, 0.9)]], [[square()]], [8, 8], [[8, 8]], [[8, 8]]
    )
    assert found["scores"][0, 0] < 0.05


def test_only_the_best_pairs_are_kept():
    classes = logits_of([0.5, 0.3, 0.2], [0.6, 0.1, 0.3], [0.2, 0.4, 0.4])
    found = detect([classes], [[square()] * 3], [8, 8], [[8, 8]], [[8, 8]], 3)
    quality = 1.0 / (1.0 + np.exp(-4.0))
    np.testing.assert_allclose(
        found["scores"][0], np.array([0.6, 0.5, 0.4]) * quality, rtol=1e-5
    )
    assert found["class_index"][0].tolist() == [0, 0, 1]


def test_detections_are_ordered_by_the_final_score():
    weak = square(value=0.1)  # sure of its class, unsure of its mask
    found = detect(
        [logits_of([0.8, 0.2], [0.7, 0.3])],
        [[weak, square()]],
        [8, 8],
        [[8, 8]],
        [[8, 8]],
    )
    scores = found["scores"][0, :2]
    np.testing.assert_allclose(scores, [0.7 * 0.98201, 0.8 * 0.52498], rtol=1e-4)


def test_an_empty_mask_is_no_detection():
    empty = np.full([8, 8], -1.0)
    found = detect(
        [logits_of([0.9, 0.1], [0.6, 0.4])],
        [[empty, square()]],
        [8, 8],
        [[8, 8]],
        [[8, 8]],
    )
    assert found["num_detections"].tolist() == [1]
    assert found["scores"][0, 0] == pytest.approx(0.6 / (1 + np.exp(-4.0)))
    assert found["masks_rle"][0, 1:].tolist() == [b""] * 4
    assert found["boxes"][0, 1:].tolist() == [[0.0] * 4] * 4


def test_boxes_are_tight_around_the_mask():
    mask = np.full([8, 8], -3.0)
    mask[2:5, 1:7] = 3.0
    found = detect([[logits_of(0.9, 0.1)]], [[mask]], [8, 8], [[8, 8]], [[8, 8]], 1)
    assert found["boxes"][0, 0].tolist() == [1.0, 2.0, 6.0, 3.0]


def test_padding_is_cropped_before_the_image_is_scaled_back():
    # Canvas 32x64 of which 32x40 is image, masks at a quarter, original 64x80.
    mask = np.full([8, 16], 5.0)
    mask[:, 5:] = -5.0  # of the 10 mask columns that are image, 5 are inside
    found = detect(
        [[logits_of(0.9, 0.1)]], [[mask]], [32, 64], [[32, 40]], [[64, 80]], 1
    )
    drawn = decode(found["masks_rle"][0, 0], 64, 80)
    assert drawn[:, :40].all()
    assert not drawn[:, 40:].any()


@pytest.mark.parametrize("original", [(37, 53), (150, 90), (128, 96)])
def test_masks_equal_two_resizes_and_a_crop_by_tensorflow(original):
    rng = np.random.default_rng(0)
    canvas, content = (96, 128), (90, 101)
    logits = rng.normal(size=(6, 24, 32)).astype(np.float32)
    found = detect(
        [logits_of(*[[0.9, 0.1]] * 6)], [logits], canvas, [content], [original], 6
    )
    upsampled = tf.image.resize(logits[..., None], canvas)
    cropped = upsampled[:, : content[0], : content[1]]
    expected = tf.image.resize(cropped, original).numpy()[..., 0]
    quality = [(1 / (1 + np.exp(-each[each > 0]))).mean() for each in expected]
    order = np.argsort(quality)[::-1]
    np.testing.assert_allclose(
        found["scores"][0], 0.9 * np.array(quality)[order], rtol=1e-4
    )
    for counts, wanted in zip(found["masks_rle"][0], expected[order], strict=True):
        clear = np.abs(wanted) > 1e-4  # rounding may turn a pixel at 0 over
        drawn = decode(counts, *original)
        np.testing.assert_array_equal(drawn[clear], (wanted > 0)[clear])


def test_images_of_a_batch_keep_their_own_sizes():
    mask, classes = square(), logits_of([0.9, 0.1])
    arguments = [[8, 8], [8, 8]], [[8, 8], [16, 24]]
    together = detect([classes, classes], [[mask], [mask]], [8, 8], *arguments)
    for row, size in enumerate(arguments[1]):
        alone = detect([classes], [[mask]], [8, 8], [[8, 8]], [size])
        for key, value in alone.items():
            np.testing.assert_array_equal(together[key][row], value[0])
        assert decode(together["masks_rle"][row, 0], *size).shape == tuple(size)


def test_works_in_a_graph_with_unknown_sizes_and_an_empty_batch():
    shapes = ([None, None, 3], [None, None, None, None], [2], [None, 2], [None, 2])
    kinds = (tf.float32, tf.bfloat16, tf.int32, tf.int32, tf.int32)
    signature = [tf.TensorSpec(*each) for each in zip(shapes, kinds, strict=True)]

    @tf.function(input_signature=signature)
    def graph(classes, masks, canvas, content, original):
        return postprocess.detect(classes, masks, canvas, content, original, 4)

    mask = tf.cast(square()[None, None], tf.bfloat16)
    sizes = tf.constant([[8, 8]])
    classes = tf.constant(logits_of([[0.7, 0.2, 0.1]]))[None, 0]
    found = graph(classes, mask, tf.constant([8, 8]), sizes, sizes)
    assert found["num_detections"].numpy().tolist() == [2]
    none = graph(classes[:0], mask[:0], tf.constant([8, 8]), sizes[:0], sizes[:0])
    assert none["scores"].shape == (0, 4)
