"""Several roots, from their files to one set of records."""

import json

import numpy as np
import pytest
import source_files

from foundation import errors
from model.examples import features


@pytest.fixture
def two_roots(tmp_path):
    """A COCO root of both splits, and a LabelMe root with a picture of the first."""
    first, second = tmp_path / "coco", tmp_path / "labelme"
    categories = [{"id": 1, "name": "disk"}, {"id": 5, "name": "square"}]
    for split, number in (("train", 1), ("val", 2)):
        source_files.put(first, f"{split}/{number}.png", source_files.picture(number))
        images = [source_files.entry(number, file_name=f"{number}.png")]
        rows = [
            source_files.row(number, number),
            source_files.row(number + 10, number, 1),
        ]
        content = source_files.coco(images, rows, categories)
        source_files.put(first, f"annotations/instances_{split}.json", content)
    for name, number in (("a", 1), ("b", 3), ("c", 4)):
        source_files.put(second, f"{name}.png", source_files.picture(number))
        bus = {**source_files.RECTANGLE, "label": "bus"}
        source_files.labelme(second, name, [source_files.RECTANGLE, bus])
    return first, second


def test_roots_of_different_sources_are_one_dataset(two_roots, ingest):
    ingested = ingest(*two_roots)
    found = source_files.stored(ingested)
    assert sorted(found) == [
        "coco/train/1.png",
        "coco/val/2.png",
        "labelme/a.png",
        "labelme/b.png",
        "labelme/c.png",
    ]
    for pairs in found.values():
        for _, mask in pairs:
            np.testing.assert_array_equal(mask, source_files.square())
    classes = {
        (each["category_id"], each["name"])
        for split in ingested.summary["splits"].values()
        for each in split["classes"]
    }
    assert classes == {(1, "disk"), (5, "square"), (6, "bus")}
    ids = [
        int(example[features.IMAGE_ID])
        for split in ("train", "eval")
        for example in ingested.examples(split)
    ]
    assert sorted(ids) == [1, 2, 4, 5, 6]  # the later root's 1, 2, 3 moved by 3
    images = [source["images"] for source in ingested.summary["sources"]]
    assert images == [{"train": 1, "eval": 1}, {"train": 2, "eval": 1}]
    problems = source_files.found_problems(ingested)
    twice = problems.pop("image_repeated", 0) + problems.pop("image_in_both_splits", 0)
    assert twice == 1
    assert problems == {"category_id_changed": 2, "ids_renumbered": 2}


def test_a_root_is_split_as_it_would_be_alone(two_roots, ingest):
    alone = {
        example[features.IMAGE_FILENAME].decode()
        for example in ingest(two_roots[1]).examples("eval")
    }
    together = {
        example[features.IMAGE_FILENAME].decode()
        for example in ingest(*two_roots).examples("eval")
    }
    assert together == {"coco/val/2.png"} | {f"labelme/{name}" for name in alone}


def test_the_only_picture_of_a_later_root_is_trained_on(two_roots, ingest):
    first, second = two_roots
    for name in ("b", "c"):
        (second / f"{name}.json").unlink()
        (second / f"{name}.png").unlink()
    ingested = ingest(first, second)
    images = [source["images"] for source in ingested.summary["sources"]]
    assert images[1] == {"train": 1, "eval": 0}


def test_a_refusal_names_the_root(two_roots, ingest):
    first, second = two_roots
    source_files.labelme(second, "d", [source_files.RECTANGLE])
    content = json.loads((second / "d.json").read_text())
    source_files.put(second, "d.json", {**content, "imagePath": "../../secret.png"})
    with pytest.raises(
        errors.CocoFormatError, match=r"labelme/d\.json, image 4: imagePath"
    ):
        ingest(first, second)
