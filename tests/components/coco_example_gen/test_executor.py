"""The executor's `Do`, over real files, with Beam."""

import hashlib
import json

import numpy as np
from tfx.types import artifact_utils

from components.coco_example_gen.write import plans
from foundation import progress
from model.examples import features
from pipeline.toy import toy_coco

SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]  # x 2..5, y 3..7


def test_every_key_of_an_example_is_derived_from_the_file(coco_folder, execute):
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
    ingested = execute(coco_folder.root)
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


def test_any_number_of_workers_writes_the_same_bytes(tmp_path, execute, monkeypatch):
    monkeypatch.setattr(plans, "IMAGES_PER_SHARD", 4)
    root = toy_coco.generate(tmp_path / "toy", 14, 5, size=64)

    def records(ingested):
        files = sorted(ingested.uri.rglob("*.gz"))
        return {str(f.relative_to(ingested.uri)): f.read_bytes() for f in files}

    alone = records(execute(root))
    threads = ["--direct_running_mode=multi_threading", "--direct_num_workers=2"]
    together = records(execute(root, threads))
    assert together == alone
    assert list(alone)[:2] == [
        "Split-eval/data_tfrecord-00000-of-00002.gz",
        "Split-eval/data_tfrecord-00001-of-00002.gz",
    ]
    assert len(alone) == 2 + 4


def test_progress_counts_every_image(coco_folder, execute):
    seen = []

    class Bar:
        def advance(self, count=1, note=""):
            seen.append(count)

    class Reporter:
        def start(self, description, total, done=0):
            seen.append((description, total))
            return Bar()

        def finish(self, task):
            seen.append("done")

        def tell(self, line):
            seen.append(line)

    coco_folder.two_splits()
    progress.set_reporter(Reporter())
    try:
        execute(coco_folder.root)
    finally:
        progress.set_reporter(progress.LineReporter())
    reading = [("Reading annotations", None), "done"]
    drawing = [("Drawing the report", None), "done"]
    images = [("Ingesting images", 2), 1, 1, "done"]
    assert seen == [*reading, *images, *drawing]


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
