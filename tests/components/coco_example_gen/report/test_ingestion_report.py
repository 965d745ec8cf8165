import collections
import json
import pathlib

import pytest

from components.coco_example_gen import problems
from components.coco_example_gen.read import layouts
from components.coco_example_gen.report import ingestion_report
from components.coco_example_gen.write import shards
from foundation import errors

ROOT = pathlib.Path("/data")
TRAIN = layouts.SplitSource(ROOT / "annotations" / "train.json", (ROOT,))
EVAL = layouts.SplitSource(ROOT / "annotations" / "val.json", (ROOT,))
LAYOUT = layouts.Layout("coco", ROOT, TRAIN, EVAL)
NAMES = {5: "square", 7: "dot", 9: "ring"}


def result(objects, images=2, crowds=0, pictures=None):
    counter = collections.Counter(objects)
    names = {key: NAMES[key] for key in counter}
    return shards.Result(images, 1, crowds, counter, names, pictures or {})


def test_the_summary_counts_instances_by_class_and_every_kind_of_problem():
    log = problems.ProblemLog()
    log.merge({"missing_image": 30}, [])
    splits = {"train": result({7: 1, 5: 3}, 4, 2), "eval": result({5: 1, 7: 1})}
    summary = ingestion_report.conclude([LAYOUT], splits, log)
    train = summary["splits"]["train"]
    counted = ("images", "images_without_objects", "objects", "crowds")
    assert {key: train[key] for key in counted} == {
        "images": 4,
        "images_without_objects": 1,
        "objects": 4,
        "crowds": 2,
    }
    classes = [(c["category_id"], c["name"], c["objects"]) for c in train["classes"]]
    assert classes == [(5, "square", 3), (7, "dot", 1)]
    counts = {kind: entry["count"] for kind, entry in summary["problems"].items()}
    assert counts == dict.fromkeys(problems.SEVERITIES, 0) | {"missing_image": 30}


def test_a_split_without_images_or_a_training_split_of_crowds_only_is_refused():
    log = problems.ProblemLog()
    log.add(problems.Problem("missing_image", "a.png", "no such file", "left out", 4))
    empty = {"train": result({5: 1}), "eval": result({}, images=0)}
    with pytest.raises(errors.CocoFormatError) as raised:
        ingestion_report.conclude([LAYOUT], empty, log)
    assert "val.json: not one image of the eval split" in str(raised.value)
    assert "a.png, image 4: no such file" in str(raised.value)
    crowds = {"train": result({}, crowds=3), "eval": result({5: 1})}
    with pytest.raises(errors.CocoFormatError, match="train.json: not one instance"):
        ingestion_report.conclude([LAYOUT], crowds, log)


def test_classes_and_pictures_are_compared_between_the_splits():
    first, second = shards.Stored("train/1.png", 1), shards.Stored("train/2.png", 2)
    train = result({5: 1, 7: 1}, pictures={"aa": first, "bb": second})
    third, fourth = shards.Stored("val/3.png", 3), shards.Stored("val/4.png", 4)
    held_out = result({5: 1, 9: 1}, pictures={"bb": third, "cc": fourth})
    log = problems.ProblemLog()
    summary = ingestion_report.conclude(
        [LAYOUT], {"train": train, "eval": held_out}, log
    )
    assert [(p.message, p.action) for p in log.examples[:2]] == [
        ("category 7 ('dot') is not in eval", "cannot be scored"),
        ("category 9 ('ring') is not in train", "cannot be learnt"),
    ]
    (same,) = log.examples[2:]
    assert (same.kind, same.file) == ("image_in_both_splits", "val/3.png")
    assert same.image_id == 3
    assert "train/1.png" not in same.message and "train/2.png" in same.message
    assert summary["problems"]["class_absent_from_split"]["count"] == 2


def test_the_written_problems_are_listed_by_severity(tmp_path):
    log = problems.ProblemLog()
    for kind in ("wrong_suffix", "bbox_recomputed", "missing_image", "duplicate_id"):
        log.add(problems.Problem(kind, "é.png", "message", "action", 1))
    ingestion_report.write(str(tmp_path), {"layout": "coco"}, log)
    assert json.loads((tmp_path / "summary.json").read_text()) == {"layout": "coco"}
    content = json.loads((tmp_path / "problems.json").read_text())
    assert content["stopped"] == ""
    told = [(row["severity"], row["file"]) for row in content["examples"]]
    wanted = ("error", "dropped", "repaired", "noted")
    assert told == [(severity, "é.png") for severity in wanted]
    assert content["counts"]["missing_image"] == 1


def test_every_root_is_named_with_its_layout_and_its_images():
    more = pathlib.Path("/more")
    source = layouts.SplitSource(more, (more,), "labelme")
    other = layouts.Layout("labelme", more, source, None, (), "more/")
    train, held_out = result({5: 1}, images=3), result({5: 1}, images=1)
    train.sources.update({0: 1, 1: 2})
    held_out.sources.update({1: 1})
    log = problems.ProblemLog()
    summary = ingestion_report.conclude(
        [LAYOUT, other], {"train": train, "eval": held_out}, log
    )
    assert summary["layout"] == "coco+labelme"
    assert summary["sources"] == [
        {
            "root": "/data",
            "layout": "coco",
            "prefix": "",
            "images": {"train": 1, "eval": 0},
        },
        {
            "root": "/more",
            "layout": "labelme",
            "prefix": "more/",
            "images": {"train": 2, "eval": 1},
        },
    ]
