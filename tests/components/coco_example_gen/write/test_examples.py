import hashlib
import json
import pathlib

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from components.coco_example_gen import problems
from components.coco_example_gen.read import annotations, pictures
from components.coco_example_gen.write import examples

SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]  # x 2..5, y 3..7: 4 x 5 = 20 px
# Of 16 x 12 px, by columns: two whole columns and 3 px, then 5 px in each of four.
SQUARE_RUNS = [35, 5, 11, 5, 11, 5, 11, 5, 104]
CORNER = {"size": [16, 12], "counts": [0, 2, 190]}  # x 0, y 0..1
ROOT = pathlib.Path("/data")  # of which nothing is read here
PICTURE = pictures.Picture(b"pixels", "png", ())


def planned(*segmentations, bbox=None, area=None):
    """An image of 16 x 12 px; annotation ids count from 1."""
    objects = [
        annotations.PlannedObject(
            number, 5, "square", 0, msgspec.Raw(json.dumps(each)), bbox, area
        )
        for number, each in enumerate(segmentations, 1)
    ]
    return annotations.PlannedImage(9, "a.png", 16, 12, objects)


def values_of(serialized):
    """Feature name -> list of values, read without the project's parser."""
    feature = tf.train.Example.FromString(serialized).features.feature
    return {
        key: list(getattr(value, value.WhichOneof("kind")).value)
        for key, value in feature.items()
    }


def test_the_mask_and_not_the_annotation_says_box_area_and_runs():
    log = problems.ProblemLog()
    image = planned(SQUARE, bbox=[2, 3, 7, 5], area=41)
    (drawn,) = examples.draw_objects(image, ROOT, "a.png", log)
    assert drawn.run_lengths.tolist() == SQUARE_RUNS
    assert (drawn.box_xywh_px, drawn.area) == ((2, 3, 4, 5), 20)
    assert log.counts == {"bbox_recomputed": 1, "area_recomputed": 1}

    within = problems.ProblemLog()  # 2 px and 20 px² off are rounding
    examples.draw_objects(
        planned(SQUARE, bbox=[0, 3, 6, 5], area=40), ROOT, "a.png", within
    )
    assert within.counts == {}


@pytest.mark.parametrize(
    ("bbox", "kind"),
    [
        ([0, 3, 12.01, 5], "bbox_recomputed"),  # two decimals, rounded up
        ([0, 3, 12.02, 5], "bbox_outside_image"),
        ([2, 3, 4, 13.5], "bbox_outside_image"),
        ([-0.02, 3, 6, 5], "bbox_outside_image"),
        ([2, -0.5, 4, 8.5], "bbox_outside_image"),
        ([2, 3, 4], "bbox_recomputed"),
        ([2, 3, None, 5], "bbox_recomputed"),
    ],
)
def test_a_box_outside_of_the_image_is_told_apart(bbox, kind):
    log = problems.ProblemLog()
    examples.draw_objects(planned(SQUARE, bbox=bbox), ROOT, "a.png", log)
    assert log.counts == {kind: 1}


def test_an_object_without_a_mask_is_left_out_and_told_by_its_id():
    log = problems.ProblemLog()
    other_size = {"size": [12, 16], "counts": [0, 2, 190]}
    image = planned([], SQUARE, other_size, None)
    drawn = examples.draw_objects(image, ROOT, "a.png", log)
    assert [each.planned.annotation_id for each in drawn] == [2]
    found = [(problem.kind, problem.annotation_id) for problem in log.examples]
    assert found == [("empty_mask", 1), ("bad_segmentation", 3), ("empty_mask", 4)]


def test_a_stored_example_holds_box_fractions_and_runs_that_decode_to_the_masks():
    image = planned(SQUARE, CORNER)
    drawn = examples.draw_objects(image, ROOT, "a.png", problems.ProblemLog())
    stored = values_of(examples.build(image, PICTURE, "train/a.png", drawn))

    assert stored["image/filename"] == [b"train/a.png"]
    digest = hashlib.sha256(b"pixels").hexdigest().encode()
    assert stored["image/key/sha256"] == [digest]
    box = "image/object/bbox/"
    np.testing.assert_allclose(stored[box + "xmin"], [2 / 12, 0], rtol=1e-6)
    np.testing.assert_allclose(stored[box + "xmax"], [6 / 12, 1 / 12], rtol=1e-6)
    np.testing.assert_allclose(stored[box + "ymin"], [3 / 16, 0], rtol=1e-6)
    np.testing.assert_allclose(stored[box + "ymax"], [8 / 16, 2 / 16], rtol=1e-6)
    assert stored["image/object/area"] == [20, 2]

    wanted = np.zeros([2, 16, 12], np.uint8)
    wanted[0, 3:8, 2:6] = 1
    wanted[1, :2, 0] = 1
    split_at = stored["image/object/mask/num_runs"][0]
    runs = stored["image/object/mask/run_lengths"]
    for counts, mask in zip((runs[:split_at], runs[split_at:]), wanted, strict=True):
        rle = coco_mask.frPyObjects({"size": [16, 12], "counts": counts}, 16, 12)
        np.testing.assert_array_equal(coco_mask.decode(rle), mask)


def test_an_image_without_objects_has_no_object_feature_at_all():
    stored = values_of(examples.build(planned(), PICTURE, "a.png", []))
    assert stored["image/id"] == [9]
    assert (stored["image/height"], stored["image/width"]) == ([16], [12])
    assert not [key for key in stored if key.startswith("image/object/")]


@pytest.mark.parametrize(("pixels", "found"), [(182, False), (183, True), (192, True)])
def test_a_mask_of_nearly_the_whole_image_is_noted(pixels, found):
    """Of 192 px, 95 % are 182.4."""
    whole = {"size": [16, 12], "counts": [0, pixels, 192 - pixels]}
    log = problems.ProblemLog()
    (drawn,) = examples.draw_objects(planned(whole), ROOT, "a.png", log)
    assert drawn.area == pixels  # it is kept
    assert log.counts == ({"mask_covers_image": 1} if found else {})
