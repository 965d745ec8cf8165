"""One picture in each format: what comes out does not depend on which it is."""

import json

import labelme_folder
import numpy as np
import pytest
from PIL import Image

from components.coco_example_gen import ingest_settings, problems
from components.coco_example_gen.read import coco_json, layouts, readers
from foundation import errors

HEIGHT, WIDTH = 16, 12
SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]  # x 2..5, y 3..7


def coco(root, split, number):
    rows = {
        "images": [
            {"id": number, "file_name": "1.png", "height": HEIGHT, "width": WIDTH}
        ],
        "annotations": [
            {"id": 1, "image_id": number, "category_id": 5, "segmentation": SQUARE}
        ],
        "categories": [{"id": 5, "name": "square"}],
    }
    path = root / "annotations" / f"instances_{split}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows))


def panoptic(root, split, number):
    ids = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
    ids[3:8, 2:6, 0] = 7
    folder = root / "annotations" / f"panoptic_{split}"
    folder.mkdir(parents=True)
    Image.fromarray(ids).save(folder / "1.png")
    segments = [{"id": 7, "category_id": 5, "iscrowd": 0}]
    rows = {
        "images": [
            {"id": number, "file_name": "1.png", "height": HEIGHT, "width": WIDTH}
        ],
        "annotations": [
            {"image_id": number, "file_name": "1.png", "segments_info": segments}
        ],
        "categories": [{"id": 5, "name": "square", "isthing": 1}],
    }
    (root / "annotations" / f"panoptic_{split}.json").write_text(json.dumps(rows))


def labelme(root, split, number):
    folder = labelme_folder.LabelMeFolder(root / split)
    folder.pair("1")


WRITERS = {"coco": coco, "panoptic": panoptic, "labelme": labelme}


def written(root, name, splits=("train", "val")):
    root.mkdir()
    for number, split in enumerate(splits, 1):
        WRITERS[name](root, split, number)
    layout = layouts.detect(root)
    assert layout.name == name
    return layout


def read(layout, log=None, **settings):
    found = ingest_settings.IngestSettings(**settings)
    return readers.read(layout, found, log or problems.ProblemLog())


@pytest.mark.parametrize("name", WRITERS)
def test_every_split_of_every_format_becomes_coco_instances(tmp_path, name):
    log = problems.ProblemLog()
    contents = read(written(tmp_path / "data", name), log)
    assert list(contents) == ["train", "eval"]
    for number, content in enumerate(contents.values(), 1):
        assert isinstance(content, coco_json.CocoInstances)
        (image,), (annotation,) = content.images, content.annotations
        (category,) = content.categories
        assert (image.id, image.height, image.width) == (number, HEIGHT, WIDTH)
        assert image.file_name.rpartition("/")[2] == "1.png"
        assert annotation.image_id == number and not annotation.iscrowd
        assert (category.id, category.name) == (annotation.category_id, "square")
    assert log.counts == {}


@pytest.mark.parametrize("name", WRITERS)
def test_a_layout_without_an_eval_split_has_none(tmp_path, name):
    assert list(read(written(tmp_path / "data", name, ["train"]))) == ["train"]


@pytest.mark.parametrize("name", WRITERS)
def test_the_limit_of_bytes_holds_for_every_format(tmp_path, name):
    layout = written(tmp_path / "data", name, ["train"])
    (file,) = layout.train.annotation_files()
    size = file.stat().st_size
    log = problems.ProblemLog()
    read(layout, log, max_annotation_bytes=size)
    assert log.counts == {}
    if name == "labelme":  # a file is a picture: the others are gone on with
        read(layout, log, max_annotation_bytes=size - 1)
        assert log.counts["broken_labelme_file"] == 1
    else:
        with pytest.raises(errors.CocoFormatError, match=f"has {size} bytes"):
            read(layout, log, max_annotation_bytes=size - 1)


@pytest.mark.parametrize("name", ["coco", "panoptic"])
def test_the_log_calls_a_file_by_the_name_it_has_below_its_root(tmp_path, name):
    first = written(tmp_path / "a", name)
    written(tmp_path / "b", name)
    file = first.train.annotation_file
    file.write_text(file.read_text().replace('"height": 16', '"height": "16"'))
    log = problems.ProblemLog()
    for layout in layouts.detect_all([tmp_path / "a", tmp_path / "b"]):
        read(layout, log)
    (told,) = log.examples
    assert (told.kind, told.file) == (
        "number_form",
        f"a/annotations/{file.name}",
    )
