"""What the executor does about every fault, over real files."""

import json

import pytest
import tensorflow as tf

from model import features
from pipeline import errors

SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]  # x 2..5, y 3..7


def by_kind(ingested):
    return {p["kind"]: p for p in ingested.problems["examples"]}


def test_missing_and_broken_images_are_dropped_and_recorded(coco_folder, ingest):
    coco_folder.two_splits()
    entries = [coco_folder.entry(i, f"{i}.png") for i in (1, 3, 4)]
    boxes = [coco_folder.annotation(i) for i in (1, 3, 4)]
    coco_folder.write("annotations/instances_train.json", entries, boxes)
    broken = coco_folder.root / "train" / "4.png"
    broken.write_bytes((coco_folder.root / "train" / "1.png").read_bytes()[:60])
    ingested = ingest(coco_folder.root)
    assert len(ingested.records("train")) == 1
    found = by_kind(ingested)
    assert found["missing_image"]["image_id"] == 3
    assert found["missing_image"]["message"] == "no such file in train/, ./"
    assert found["broken_image"]["file"] == "train/4.png"
    assert found["broken_image"]["severity"] == "dropped"
    assert ingested.summary["problems"]["missing_image"]["count"] == 1


@pytest.mark.parametrize(
    ("changes", "kind", "objects"),
    [
        ({"segmentation": []}, "empty_mask", 0),
        ({"segmentation": None}, "empty_mask", 0),
        ({"segmentation": [[1, 1, 5, 5]]}, "empty_mask", 0),
        ({"segmentation": [[90, 90, 95, 90, 95, 95]]}, "empty_mask", 0),
        ({"segmentation": [*SQUARE, [1, 1, 5]]}, "degenerate_polygon", 1),
        ({"bbox": [2, 3, 9, 5]}, "bbox_recomputed", 1),
        ({"area": 200}, "area_recomputed", 1),
        ({"id": 0}, "annotation_id_zero", 1),
    ],
)
def test_faults_of_an_instance_are_mended_or_drop_it(
    coco_folder, ingest, changes, kind, objects
):
    coco_folder.two_splits()
    good = coco_folder.annotation(1)
    changed = coco_folder.annotation(1, **changes)
    entries = [coco_folder.entry(1, "1.png")]
    coco_folder.write("annotations/instances_train.json", entries, [good, changed])
    ingested = ingest(coco_folder.root)
    assert ingested.problems["counts"] == {kind: 1}
    (example,) = ingested.examples("train")
    assert example[features.AREA].tolist() == [20.0] * (1 + objects)
    assert 0 not in example[features.ANNOTATION_ID]


def test_odd_but_usable_images_are_reported(coco_folder, ingest):
    coco_folder.two_splits()
    coco_folder.image("train/1.png", mode="RGBA")
    coco_folder.image("val/2.png", format="JPEG")
    found = by_kind(ingest(coco_folder.root))
    assert set(found) == {"image_reencoded", "wrong_suffix"}


def test_the_same_picture_and_a_class_in_one_split_only_are_noted(coco_folder, ingest):
    coco_folder.two_splits(category_id=6)
    categories = [{"id": 5, "name": "square"}, {"id": 6, "name": "box"}]
    for split in ("train", "val"):
        path = coco_folder.root / "annotations" / f"instances_{split}.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "categories": categories}))
    picture = (coco_folder.root / "train" / "1.png").read_bytes()
    (coco_folder.root / "val" / "2.png").write_bytes(picture)
    ingested = ingest(coco_folder.root)
    counts = ingested.problems["counts"]
    assert counts["class_absent_from_split"] == 2
    assert counts["image_in_both_splits"] == 1
    same = by_kind(ingested)["image_in_both_splits"]
    assert (same["file"], "train/1.png" in same["message"]) == ("val/2.png", True)


def test_an_image_without_objects_is_kept_and_has_no_object_keys(coco_folder, ingest):
    coco_folder.two_splits()
    entries = [coco_folder.entry(2, "2.png")]
    coco_folder.write("annotations/instances_val.json", entries, [])
    ingested = ingest(coco_folder.root)
    (record,) = ingested.records("eval")
    keys = set(tf.train.Example.FromString(record).features.feature)
    assert keys == set(features.IMAGE_KEYS)
    assert ingested.problems["counts"]["image_without_objects"] == 1


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [12, 16], "counts": [192]}, r"size \[12, 16\] is not .* \[16, 12\]"),
        ({"size": [16, 12], "counts": [9, 9]}, "sum to 18, .* 16 x 12 = 192"),
        ([1, 2, 3, 4, 5, 6], "a polygon is a int"),
    ],
)
def test_a_mask_of_another_image_stops_ingestion(
    coco_folder, ingest, segmentation, message
):
    coco_folder.two_splits(id=77, segmentation=segmentation)
    with pytest.raises(errors.CocoFormatError, match=message) as refused:
        ingest(coco_folder.root)
    assert "train/1.png, image 1, annotation 77: " in str(refused.value)


def test_a_size_that_differs_from_the_file_stops_ingestion(coco_folder, ingest):
    coco_folder.two_splits()
    coco_folder.image("val/2.png", height=10, width=12)
    with pytest.raises(errors.CocoFormatError, match="val/2.png, image 2: .* 12 x 10"):
        ingest(coco_folder.root)


def test_a_link_out_of_the_folder_stops_ingestion(coco_folder, ingest):
    coco_folder.two_splits()
    outside = coco_folder.root.parent / "outside.png"
    inside = coco_folder.root / "train" / "1.png"
    inside.rename(outside)
    inside.symlink_to(outside)
    with pytest.raises(errors.CocoFormatError, match="1.png, image 1: links to /.*out"):
        ingest(coco_folder.root)


def test_a_link_inside_the_folder_is_fine(coco_folder, ingest):
    coco_folder.two_splits()
    inside = coco_folder.root / "train" / "1.png"
    inside.rename(coco_folder.root / "stored.png")
    inside.symlink_to(coco_folder.root / "stored.png")
    assert len(ingest(coco_folder.root).records("train")) == 1


def test_nothing_left_is_an_error_that_says_why(coco_folder, ingest):
    coco_folder.two_splits()
    (coco_folder.root / "val" / "2.png").unlink()
    with pytest.raises(
        errors.CocoFormatError, match="instances_val.json: not one image .* eval split"
    ) as refused:
        ingest(coco_folder.root)
    assert "2.png, image 2: no such file" in str(refused.value)


def test_boxes_without_masks_are_nothing_to_train_on(coco_folder, ingest):
    coco_folder.two_splits(segmentation=None)
    with pytest.raises(errors.CocoFormatError, match="not one instance with a mask"):
        ingest(coco_folder.root)


def test_counts_stay_exact_when_examples_are_capped(coco_folder, ingest):
    coco_folder.two_splits()
    boxes = [coco_folder.annotation(1, area=500) for _ in range(50)]
    entries = [coco_folder.entry(1, "1.png")]
    coco_folder.write("annotations/instances_train.json", entries, boxes)
    ingested = ingest(coco_folder.root)
    assert ingested.summary["problems"]["area_recomputed"] == {
        "severity": "repaired",
        "count": 50,
    }
    assert len(ingested.problems["examples"]) == 20
