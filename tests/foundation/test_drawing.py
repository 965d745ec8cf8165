import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from foundation import drawing
from model.serve import saved_model

RED, BLUE = (255, 0, 0), (0, 0, 255)
COLOURS = {1: RED, 7: BLUE}
TINT = 114  # of 255: 0.45, rounded down


def detections(category_ids, masks):
    """Best first; the boxes are those of the masks."""
    height, width = masks[0].shape
    rles = [coco_mask.encode(np.asfortranarray(mask)) for mask in masks]
    return saved_model.Detections(
        scores=np.linspace(0.9, 0.5, len(masks), dtype=np.float32),
        category_ids=np.array(category_ids, np.int64),
        class_names=["thing"] * len(masks),
        boxes=np.array([coco_mask.toBbox(rle) for rle in rles], np.float32),
        masks=rles,
        image_size=(height, width),
    )


def rectangle(left, top, right, bottom, size=(160, 320)):
    mask = np.zeros(size, np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def drawn(category_ids, masks):
    height, width = masks[0].shape
    picture = Image.new("RGB", (width, height))
    found = detections(category_ids, masks)
    return np.asarray(drawing.draw(picture, found, COLOURS)).astype(int)


def test_a_small_picture_is_doubled_and_tinted_where_the_mask_is():
    canvas = drawn([7], [rectangle(40, 20, 200, 120)])
    assert canvas.shape == (320, 640, 3)
    assert canvas[200, 300].tolist() == [0, 0, TINT]
    assert canvas[200, 398].tolist() == [0, 0, 255]  # the outline, inside the mask
    label_end = 40 + 30  # px, from the top of the box
    for outside in (np.s_[244:], np.s_[:, :76], np.s_[label_end:, 404:], np.s_[:36]):
        assert not canvas[outside].any()


def test_where_masks_overlap_the_better_one_is_painted_last():
    masks = [rectangle(40, 20, 200, 120), rectangle(20, 10, 220, 140)]
    canvas = drawn([1, 7], masks)
    under = TINT * (255 - TINT) / 255
    np.testing.assert_allclose(canvas[200, 300], [TINT, 0, under], atol=1)


@pytest.mark.parametrize("top", [20, 150])
def test_the_labels_of_two_objects_at_one_corner_are_both_whole(top):
    mask = rectangle(40, top, 44, top + 4)
    both = drawn([1, 7], [mask, mask])
    for colour, category_id in ((RED, 1), (BLUE, 7)):
        alone = drawn([category_id], [mask])
        label = (alone == colour).all(axis=2).sum()
        assert (both == colour).all(axis=2).sum() > 0.9 * label > 500


def test_a_class_has_its_colour_whatever_the_order_of_the_ids():
    colours = drawing.class_colours([9, 2, 5])
    assert colours == drawing.class_colours([2, 5, 9])
    # Hue 0.02 is 0.12 of the way from red to yellow, above a floor of 0.15.
    assert colours[2] == (255, round(255 * (0.15 + 0.85 * 0.12)), round(255 * 0.15))
    assert len(set(colours.values())) == 3


def test_instances_without_a_label_are_drawn_and_the_first_is_on_top():
    masks = [rectangle(40, 20, 200, 120), rectangle(20, 10, 220, 140)]
    instances = [
        drawing.Instance(rle, coco_mask.toBbox(rle), "", colour)
        for rle, colour in zip(
            detections([1, 7], masks).masks, (RED, BLUE), strict=True
        )
    ]
    blank = Image.new("RGB", (320, 160))
    canvas = np.asarray(drawing.draw_instances(blank, instances, min_long_side=320))
    assert canvas.shape == (160, 320, 3)  # not enlarged
    under = TINT * (255 - TINT) / 255
    np.testing.assert_allclose(canvas[100, 150], [TINT, 0, under], atol=1)
    painted = canvas.any(axis=2)
    np.testing.assert_array_equal(painted, masks[1].astype(bool))  # no label's ink


def test_a_label_without_end_is_cut():
    mask = rectangle(40, 20, 200, 120)
    rle = coco_mask.encode(np.asfortranarray(mask))
    box, blank = coco_mask.toBbox(rle), Image.new("RGB", (320, 160))
    drawn = [
        np.asarray(
            drawing.draw_instances(blank, [drawing.Instance(rle, box, label, RED)])
        )
        for label in ("x" * 100, "x" * 1_000_001)  # Pillow writes a million at most
    ]
    np.testing.assert_array_equal(*drawn)
