"""Every fault of annotations: the verdict, the report's entry, what is stored.

Faults of image files are in test_image_faults.py.
"""

import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from foundation import errors
from model.examples import features

SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]  # x 2..5, y 3..7
# The same pixels as column-major runs: two columns and 3 px, then 5 px in four.
RUNS = [35, 5, 11, 5, 11, 5, 11, 5, 104]
TRAIN = "annotations/instances_train.json"


def stored_ids(ingested, split="train"):
    """Annotation ids by image id."""
    return {
        int(example[features.IMAGE_ID]): example[features.ANNOTATION_ID].tolist()
        for example in ingested.examples(split)
    }


def entries_of(ingested, kind):
    """The report's entries of a kind, whose count is theirs in all three places."""
    found = [row for row in ingested.problems["examples"] if row["kind"] == kind]
    assert found == [row for row in ingested.occurrences if row["kind"] == kind]
    assert ingested.problems["counts"][kind] == len(found)
    assert ingested.summary["problems"][kind]["count"] == len(found)
    return found


def repeat_annotation(folder):
    entries = [folder.entry(1, "1.png")]
    boxes = [folder.annotation(1, id=i, area=a) for i, a in ((4, 20), (4, 21), (7, 20))]
    folder.train_and_eval(entries, boxes)


def repeat_image(folder):
    folder.image("train/3.png")
    entries = [folder.entry(1, "1.png"), folder.entry(3, "3.png"), folder.entry(3, "1")]
    boxes = [folder.annotation(1, id=7), folder.annotation(3, id=8)]
    folder.train_and_eval(entries, boxes)


def repeat_category(folder):
    entries = [folder.entry(1, "1.png")]
    boxes = [folder.annotation(1, id=7), folder.annotation(1, 6, id=8)]
    names = ((5, "square"), (6, "disk"), (6, "ring"))
    categories = [{"id": i, "name": name} for i, name in names]
    folder.train_and_eval(entries, boxes)
    folder.write(TRAIN, entries, boxes, categories)


def point_to_no_image(folder):
    entries = [folder.entry(1, "1.png")]
    boxes = [folder.annotation(1, id=7), folder.annotation(9, id=8)]
    folder.train_and_eval(entries, boxes)


def point_to_no_category(folder):
    entries = [folder.entry(1, "1.png")]
    boxes = [folder.annotation(1, id=7), folder.annotation(1, 9, id=8)]
    folder.train_and_eval(entries, boxes)


def break_segmentation(segmentation):
    def break_it(folder):
        entries = [folder.entry(1, "1.png")]
        bad = folder.annotation(1, id=8, segmentation=segmentation)
        folder.train_and_eval(entries, [folder.annotation(1, id=7), bad])

    return break_it


ERRORS = [
    (repeat_annotation, "duplicate_id", 4, "annotation id 4 is used 2 times", [4, 7]),
    (repeat_image, "duplicate_id", None, "image id 3 is used 2 times", [7]),
    (repeat_category, "duplicate_id", None, "category id 6 is used 2 times", [7]),
    (point_to_no_image, "dangling_id", 8, "image_id 9 is not one of 1", [7]),
    (point_to_no_category, "dangling_id", 8, "category_id 9 is not one of 5", [7]),
] + [
    (break_segmentation(segmentation), "bad_segmentation", 8, message, [7])
    for segmentation, message in (
        ({"size": [12, 16], "counts": [192]}, "size [12, 16] is not the image's"),
        ({"size": [16, 12], "counts": [9, 9]}, "sum to 18, the image has 16 x 12"),
        ({"size": [16, 12], "counts": [2**40]}, f"range from {2**40} to {2**40}"),
        ({"size": [16, 12], "counts": [200, -8]}, "range from -8 to 200"),
        ({"size": [16, 12], "counts": "S1d1Z"}, "compressed RLE counts end"),
        ([1, 2, 3, 4, 5, 6], "a polygon is a int"),
        ("polygon", "segmentation is a str"),
    )
]


@pytest.mark.parametrize(("build", "kind", "annotation", "message", "left"), ERRORS)
def test_contradictions_stop_ingestion_unless_it_only_reports(
    coco_folder, ingest, build, kind, annotation, message, left
):
    coco_folder.image("train/1.png")
    build(coco_folder)
    for mode in ("repair", "strict"):
        with pytest.raises(errors.CocoFormatError) as refused:
            ingest(coco_folder.root, on_problem=mode)
        assert message in str(refused.value)
    ingested = ingest(coco_folder.root, on_problem="report")
    (entry,) = entries_of(ingested, kind)
    assert (entry["severity"], entry["annotation_id"]) == ("error", annotation)
    assert message in entry["message"]
    assert "left out" in entry["action"]
    assert stored_ids(ingested) == {1: left}


def test_rows_that_say_the_same_twice_count_once_when_it_only_reports(
    coco_folder, ingest
):
    coco_folder.image("train/1.png")
    entries = [coco_folder.entry(1, "1.png")] * 2
    categories = [{"id": 5, "name": "square", "supercategory": s} for s in ("a", "b")]
    boxes = [coco_folder.annotation(1, id=7)]
    coco_folder.train_and_eval(entries, boxes)
    coco_folder.write(TRAIN, entries, boxes, categories)
    ingested = ingest(coco_folder.root, on_problem="report")
    actions = [row["action"] for row in entries_of(ingested, "duplicate_id")]
    assert actions == ["the first is kept, the others left out"] * 2
    assert stored_ids(ingested) == {1: [7]}


@pytest.mark.parametrize(
    ("changes", "kind", "is_stored"),
    [
        ({"segmentation": []}, "empty_mask", False),
        ({"segmentation": None}, "empty_mask", False),
        ({"segmentation": [[1, 1, 5, 5]]}, "empty_mask", False),
        ({"segmentation": [[1, 1, 5, 5, 5, 1, 2]]}, "empty_mask", False),
        ({"segmentation": [[1, 1, 5, 1, 9, 1]]}, "empty_mask", False),
        ({"segmentation": [[90, 90, 95, 90, 95, 95]]}, "empty_mask", False),
        ({"segmentation": [*SQUARE, [1, 1, 5]]}, "degenerate_polygon", True),
        ({"bbox": [2, 3, 9, 5]}, "bbox_recomputed", True),
        ({"bbox": [2, 3, 11, 5]}, "bbox_outside_image", True),
        ({"area": 200}, "area_recomputed", True),
        ({"id": 0}, "annotation_id_zero", True),
    ],
)
def test_faults_of_an_instance_are_mended_or_drop_it(
    coco_folder, ingest, changes, kind, is_stored
):
    coco_folder.image("train/1.png")
    good = coco_folder.annotation(1, id=7)
    changed = coco_folder.annotation(1, **{"id": 8, **changes})
    coco_folder.train_and_eval([coco_folder.entry(1, "1.png")], [good, changed])
    ingested = ingest(coco_folder.root)
    assert ingested.problems["counts"] == {kind: 1}
    (entry,) = entries_of(ingested, kind)
    assert entry["severity"] == ("repaired" if is_stored else "dropped")
    assert (entry["image_id"], entry["annotation_id"]) == (1, changes.get("id", 8))
    (example,) = ingested.examples("train")
    assert example[features.AREA].tolist() == [20.0] * (1 + is_stored)
    assert example[features.RUN_LENGTHS].tolist() == RUNS * (1 + is_stored)
    assert stored_ids(ingested) == {1: [7, 8] if is_stored else [7]}
    with pytest.raises(errors.CocoFormatError, match="on_problem is strict"):
        ingest(coco_folder.root, on_problem="strict")


@pytest.mark.parametrize("form", ["list", "text", "bytes written as text"])
def test_all_forms_of_rle_are_accepted(coco_folder, ingest, form):
    compressed = coco_mask.frPyObjects({"size": [16, 12], "counts": RUNS}, 16, 12)
    counts = {
        "list": RUNS,
        "text": compressed["counts"].decode(),
        "bytes written as text": str(compressed["counts"]),
    }[form]
    coco_folder.two_splits(segmentation={"size": [16, 12], "counts": counts})
    ingested = ingest(coco_folder.root)
    (example,) = ingested.examples("train")
    assert example[features.RUN_LENGTHS].tolist() == RUNS
    assert not ingested.problems["counts"]


def test_category_ids_with_gaps_and_id_zero_are_kept_and_told(coco_folder, ingest):
    coco_folder.image("train/1.png")
    boxes = [coco_folder.annotation(1, 0), coco_folder.annotation(1, 90)]
    categories = [{"id": 0, "name": "disk"}, {"id": 90, "name": "ring"}]
    coco_folder.train_and_eval([coco_folder.entry(1, "1.png")], boxes)
    coco_folder.write(TRAIN, [coco_folder.entry(1, "1.png")], boxes, categories)
    ingested = ingest(coco_folder.root, on_problem="strict")
    (entry,) = entries_of(ingested, "category_id_zero")
    assert (entry["severity"], entry["file"]) == ("noted", TRAIN)
    (example,) = ingested.examples("train")
    assert example[features.CATEGORY_ID].tolist() == [0, 90]
    assert example[features.CATEGORY_NAME].tolist() == [b"disk", b"ring"]


def test_classes_of_one_name_are_one_and_a_placeholder_is_none(coco_folder, ingest):
    coco_folder.image("train/1.png")
    names = ((0, "square", "none"), (5, "square", "shape"), (8, " square ", "shape"))
    categories = [
        {"id": i, "name": name, "supercategory": over} for i, name, over in names
    ]
    boxes = [coco_folder.annotation(1, 8, id=3), coco_folder.annotation(1, 5, id=4)]
    coco_folder.train_and_eval([coco_folder.entry(1, "1.png")], boxes, categories)
    ingested = ingest(coco_folder.root)
    (example,) = ingested.examples("train")
    assert example[features.CATEGORY_ID].tolist() == [5, 5]
    assert example[features.CATEGORY_NAME].tolist() == [b"square", b"square"]
    entries = entries_of(ingested, "duplicate_category_name")
    assert [(e["severity"], e["action"]) for e in entries] == [
        ("repaired", "all count as category 5")
    ] * 2
    placeholders = entries_of(ingested, "placeholder_category")
    assert ["category 0 ('square')" in e["message"] for e in placeholders] == [True] * 2
    assert [c["objects"] for c in ingested.summary["splits"]["train"]["classes"]] == [2]


def test_a_class_that_is_another_in_eval_stops_or_leaves_eval(coco_folder, ingest):
    coco_folder.two_splits()
    entries = [coco_folder.entry(2, "2.png")]
    boxes = [coco_folder.annotation(2, 5, id=7), coco_folder.annotation(2, 6, id=8)]
    categories = [{"id": 5, "name": "disk"}, {"id": 6, "name": "ring"}]
    coco_folder.write("annotations/instances_val.json", entries, boxes, categories)
    with pytest.raises(errors.CocoFormatError, match="'disk' here and 'square' in"):
        ingest(coco_folder.root)
    ingested = ingest(coco_folder.root, on_problem="report")
    (entry,) = entries_of(ingested, "category_conflict")
    assert entry["severity"] == "error"
    assert stored_ids(ingested, "eval") == {2: [8]}


def test_the_same_picture_and_a_class_in_one_split_only_are_noted(coco_folder, ingest):
    categories = [{"id": 5, "name": "square"}, {"id": 6, "name": "box"}]
    coco_folder.image("train/1.png")
    entries = [coco_folder.entry(1, "1.png")]
    coco_folder.train_and_eval(entries, [coco_folder.annotation(1, 6)], categories)
    picture = (coco_folder.root / "train" / "1.png").read_bytes()
    (coco_folder.root / "val" / "2.png").write_bytes(picture)
    ingested = ingest(coco_folder.root)
    absent = entries_of(ingested, "class_absent_from_split")
    assert [entry["severity"] for entry in absent] == ["noted"] * 2
    (same,) = entries_of(ingested, "image_in_both_splits")
    assert (same["file"], "train/1.png" in same["message"]) == ("val/2.png", True)
    assert (len(ingested.records("train")), len(ingested.records("eval"))) == (1, 1)


def test_an_image_without_objects_is_kept_and_has_no_object_keys(coco_folder, ingest):
    coco_folder.two_splits()
    entries = [coco_folder.entry(2, "2.png")]
    coco_folder.write("annotations/instances_val.json", entries, [])
    ingested = ingest(coco_folder.root)
    (record,) = ingested.records("eval")
    keys = set(tf.train.Example.FromString(record).features.feature)
    assert keys == set(features.IMAGE_KEYS)
    (entry,) = entries_of(ingested, "image_without_objects")
    assert (entry["severity"], entry["image_id"]) == ("noted", 2)


def test_boxes_without_masks_are_nothing_to_train_on(coco_folder, ingest):
    coco_folder.two_splits(segmentation=None)
    with pytest.raises(errors.CocoFormatError, match="not one instance with a mask"):
        ingest(coco_folder.root, on_problem="report")


def test_every_occurrence_is_recorded_when_examples_are_capped(coco_folder, ingest):
    coco_folder.image("train/1.png")
    boxes = [coco_folder.annotation(1, area=500) for _ in range(50)]
    coco_folder.train_and_eval([coco_folder.entry(1, "1.png")], boxes)
    ingested = ingest(coco_folder.root)
    told = {"severity": "repaired", "count": 50}
    assert ingested.summary["problems"]["area_recomputed"] == told
    assert len(ingested.problems["examples"]) == 20
    recorded = [row["annotation_id"] for row in ingested.occurrences]
    assert recorded == [box["id"] for box in boxes]
