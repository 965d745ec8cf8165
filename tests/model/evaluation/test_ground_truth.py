import numpy as np
import pytest
from pycocotools import mask as coco_mask

from model.evaluation import ground_truth
from model.examples import record_files

SHAPES = [(3, 4, 8, 12, 16), (22, 20, 0, 8, 12), (3, 0, 0, 4, 32)]


@pytest.fixture
def files(colour_model, tmp_path):
    pixels = colour_model.picture(SHAPES)
    written = [
        colour_model.example(5, pixels, SHAPES, crowds=(2,), first_annotation_id=0),
        colour_model.example(9, colour_model.picture([], (16, 24)), []),
        colour_model.example(2, pixels, SHAPES[:1], first_annotation_id=0),
    ]
    colour_model.write_split(tmp_path / "Split-eval", written)
    return record_files.files_of_split(str(tmp_path / "Split-eval"))


def test_every_image_is_there_also_without_annotations(files):
    truth = ground_truth.from_records(files)
    sizes = [(each["id"], each["height"], each["width"]) for each in truth["images"]]
    assert sizes == [(5, 32, 32), (9, 16, 24), (2, 32, 32)]


def test_masks_boxes_and_areas_are_those_that_were_stored(files, colour_model):
    truth = ground_truth.from_records(files)
    for found, shape in zip(truth["annotations"], [*SHAPES, SHAPES[0]], strict=True):
        mask = colour_model.box_mask((32, 32), *shape[1:])
        np.testing.assert_array_equal(coco_mask.decode(found["segmentation"]), mask)
        top, left, height, width = shape[1:]
        assert found["bbox"] == [left, top, width, height]
        assert found["area"] == height * width
        assert found["category_id"] == shape[0]


def test_annotations_are_numbered_from_one_and_crowds_kept(files):
    annotations = ground_truth.from_records(files)["annotations"]
    assert [each["id"] for each in annotations] == [1, 2, 3, 4]
    assert [each["iscrowd"] for each in annotations] == [0, 0, 1, 0]
    assert [each["image_id"] for each in annotations] == [5, 5, 5, 2]


def test_categories_are_those_of_the_split_and_of_the_model(files, colour_model):
    found = ground_truth.from_records(files, colour_model.CATEGORIES)["categories"]
    assert found == [
        {"id": 3, "name": "red thing"},
        {"id": 7, "name": "green thing"},
        {"id": 22, "name": "blue thing"},
    ]
    alone = ground_truth.from_records(files)["categories"]
    assert [each["id"] for each in alone] == [3, 22]


def test_image_batches_keep_ids_and_bytes_together(files, colour_model):
    batches = list(record_files.image_batches(files, 2))
    assert [ids.tolist() for ids, _ in batches] == [[5, 9], [2]]
    empty = colour_model.encode_png(colour_model.picture([], (16, 24)))
    assert batches[0][1][1] == empty


def test_a_folder_without_records_has_no_files(tmp_path):
    assert record_files.files_of_split(str(tmp_path / "Split-eval")) == []
