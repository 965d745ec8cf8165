"""The executor's `Do`, over real files, with Beam."""

import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import coco
from tfx.types import artifact_utils

from components.coco_example_gen import plans
from model import features, mask_rle
from pipeline import errors, progress, toy_coco

SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]  # x 2..5, y 3..7


def by_kind(ingested):
    return {p["kind"]: p for p in ingested.problems["examples"]}


def test_every_key_of_an_example_is_derived_from_the_file(coco_folder, ingest):
    crowd = {"size": [16, 12], "counts": [16, 16, 160]}  # the second column
    coco_folder.image("train/1.png")
    coco_folder.image("val/2.png")
    boxes = [
        coco_folder.annotation(1, id=9, segmentation=SQUARE),
        coco_folder.annotation(
            1, 7, id=4, iscrowd=1, segmentation=crowd, bbox=[1, 0, 1, 16], area=16
        ),
    ]
    categories = [{"id": 5, "name": "square"}, {"id": 7, "name": "pile"}]
    train = [coco_folder.entry(1, "1.png")]
    coco_folder.write("annotations/instances_train.json", train, boxes, categories)
    coco_folder.write(
        "annotations/instances_val.json",
        [coco_folder.entry(2, "2.png")],
        [],
        categories,
    )
    ingested = ingest(coco_folder.root)
    assert artifact_utils.decode_split_names(ingested.split_names) == ["train", "eval"]
    (example,) = ingested.examples("train")
    encoded = (coco_folder.root / "train" / "1.png").read_bytes()
    expected = {
        features.IMAGE_ENCODED: encoded,
        features.IMAGE_FORMAT: b"png",
        features.IMAGE_FILENAME: b"train/1.png",
        features.IMAGE_ID: 1,
        features.IMAGE_HEIGHT: 16,
        features.IMAGE_WIDTH: 12,
        features.IMAGE_SHA256: hashlib.sha256(encoded).hexdigest().encode(),
        features.ANNOTATION_ID: [4, 9],
        features.CATEGORY_ID: [7, 5],
        features.CATEGORY_NAME: [b"pile", b"square"],
        features.BOX_XMIN: np.float32([1 / 12, 2 / 12]).tolist(),
        features.BOX_XMAX: np.float32([2 / 12, 6 / 12]).tolist(),
        features.BOX_YMIN: [0.0, 3 / 16],
        features.BOX_YMAX: [1.0, 8 / 16],
        features.AREA: [16.0, 20.0],
        features.IS_CROWD: [1, 0],
        features.NUM_RUNS: [3, 9],
        features.RUN_LENGTHS: [16, 16, 160, 35, 5, 11, 5, 11, 5, 11, 5, 104],
    }
    assert set(example) == set(expected)
    for key, value in expected.items():
        found = example[key].tolist() if hasattr(example[key], "tolist") else None
        assert (example[key] if found is None else found) == value, key


def test_stored_masks_are_those_pycocotools_draws(tmp_path, ingest):
    root = toy_coco.generate(tmp_path / "toy", 12, 6, size=64)
    ingested = ingest(root)
    for split, file in (("train", "train"), ("eval", "val")):
        truth = coco.COCO(str(root / "annotations" / f"instances_{file}.json"))
        examples = ingested.examples(split)
        ids = [int(example[features.IMAGE_ID]) for example in examples]
        assert ids == sorted(truth.imgs)
        for example in examples:
            masks = mask_rle.masks_from_runs(
                example[features.RUN_LENGTHS],
                example[features.NUM_RUNS],
                example[features.IMAGE_HEIGHT],
                example[features.IMAGE_WIDTH],
            ).numpy()
            annotations = example[features.ANNOTATION_ID].tolist()
            assert annotations == truth.getAnnIds([int(example[features.IMAGE_ID])])
            for annotation_id, mask in zip(annotations, masks, strict=True):
                expected = truth.annToMask(truth.anns[annotation_id])
                np.testing.assert_array_equal(mask, expected)


def test_any_number_of_workers_writes_the_same_bytes(tmp_path, ingest, monkeypatch):
    monkeypatch.setattr(plans, "IMAGES_PER_SHARD", 4)
    root = toy_coco.generate(tmp_path / "toy", 14, 5, size=64)

    def records(ingested):
        files = sorted(ingested.uri.rglob("*.gz"))
        return {str(f.relative_to(ingested.uri)): f.read_bytes() for f in files}

    alone = records(ingest(root))
    threads = ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]
    together = records(ingest(root, threads))
    assert together == alone
    assert list(alone)[:2] == [
        "Split-eval/data_tfrecord-00000-of-00002.gz",
        "Split-eval/data_tfrecord-00001-of-00002.gz",
    ]
    assert len(alone) == 2 + 4


def test_progress_counts_every_image(coco_folder, ingest):
    seen = []

    class Bar:
        def advance(self, count=1, note=""):
            seen.append(count)

    class Reporter:
        def start(self, description, total):
            seen.append((description, total))
            return Bar()

        def finish(self, task):
            seen.append("done")

    coco_folder.two_splits()
    progress.set_reporter(Reporter())
    try:
        ingest(coco_folder.root)
    finally:
        progress.set_reporter(progress.LogReporter())
    assert seen == [("Ingesting images", 2), 1, 1, "done"]


def test_the_summary_counts_images_objects_crowds_and_classes(tmp_path, ingest):
    root = toy_coco.generate(tmp_path / "toy", 20, 4, size=64)
    summary = ingest(root).summary
    content = json.loads((root / "annotations/instances_train.json").read_text())
    plain = [a["category_id"] for a in content["annotations"] if not a["iscrowd"]]
    train = summary["splits"]["train"]
    assert train["images"] == 20
    assert train["objects"] == len(plain)
    assert train["crowds"] == len(content["annotations"]) - len(plain) > 0
    assert {c["category_id"]: c["objects"] for c in train["classes"]} == {
        category_id: plain.count(category_id) for category_id in (3, 7, 22)
    }
    assert train["images_without_objects"] == 1


def test_roboflow_and_single_layouts_are_read_too(coco_folder, ingest):
    for split, image_id in (("train", 1), ("valid", 2)):
        coco_folder.image(f"{split}/{image_id}.jpg")
        coco_folder.write(
            f"{split}/_annotations.coco.json",
            [coco_folder.entry(image_id, f"{image_id}.jpg")],
            [coco_folder.annotation(image_id)],
        )
    ingested = ingest(coco_folder.root)
    assert ingested.summary["layout"] == "roboflow"
    names = [e[features.IMAGE_FILENAME] for e in ingested.examples("eval")]
    assert names == [b"valid/2.jpg"]

    other = type(coco_folder)(coco_folder.root.parent / "single")
    for image_id in (1, 2, 3):
        other.image(f"images/{image_id}.jpg")
    entries = [other.entry(i, f"{i}.jpg") for i in (1, 2, 3)]
    other.write("trainval.json", entries, [other.annotation(i) for i in (1, 2, 3)])
    ingested = ingest(other.root)
    assert len(ingested.records("train")) == 2
    assert len(ingested.records("eval")) == 1


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
