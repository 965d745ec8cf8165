import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import coco
from pycocotools import mask as coco_mask

from foundation import errors
from pipeline.toy import toy_coco, toy_outlines

NUM_TRAIN, NUM_EVAL = 24, 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("toy") / "data"
    return toy_coco.generate(target, NUM_TRAIN, NUM_EVAL, seed=3)


@pytest.fixture(scope="module")
def truth(folder):
    files = (folder / "annotations").glob("*.json")
    return {path.stem.split("_")[1]: coco.COCO(str(path)) for path in files}


def digest_of(folder):
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def test_both_splits_have_the_images_asked_for(folder, truth):
    assert len(truth["train"].imgs) == len(list((folder / "train").iterdir())) == 24
    assert len(truth["val"].imgs) == len(list((folder / "val").iterdir())) == 8
    assert not set(truth["train"].imgs) & set(truth["val"].imgs)


def test_json_sizes_are_those_of_the_files_and_some_differ(folder, truth):
    sizes = set()
    for image in truth["train"].imgs.values():
        with Image.open(folder / "train" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
            sizes.add(picture.size)
    assert (128, 128) in sizes and len(sizes) > 1
    assert all(96 <= side <= 128 for size in sizes for side in size)


def test_drawing_the_polygons_gives_exactly_the_annotated_pixels(truth):
    for split in truth.values():
        for annotation in split.anns.values():
            rle = split.annToRLE(annotation)
            assert coco_mask.area(rle) == annotation["area"]
            assert coco_mask.toBbox(rle).tolist() == annotation["bbox"]


def test_instances_of_an_image_share_no_pixel(truth):
    for image_id in truth["train"].imgs:
        annotations = truth["train"].imgToAnns[image_id]
        if annotations:
            masks = [truth["train"].annToMask(a) for a in annotations]
            assert np.sum(masks, axis=0).max() == 1


def test_every_kind_of_annotation_and_image_occurs(folder, truth):
    annotations = list(truth["train"].anns.values())
    polygons = [a for a in annotations if isinstance(a["segmentation"], list)]
    crowds = [a for a in annotations if a["iscrowd"]]
    assert any(len(a["segmentation"]) > 1 for a in polygons)
    assert crowds and all(isinstance(a["segmentation"]["counts"], list) for a in crowds)
    images = truth["train"].imgs
    assert any(not truth["train"].imgToAnns[image_id] for image_id in images)
    kinds = set()
    for path in (folder / "train").iterdir():
        with Image.open(path) as picture:
            kinds.add((picture.format, picture.mode))
    assert kinds == {("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB")}


def test_the_three_classes_have_gaps_in_their_ids(truth):
    names = {c["id"]: c["name"] for c in truth["val"].cats.values()}
    assert names == {3: "disk", 7: "box", 22: "triangle"}
    assert {a["category_id"] for a in truth["train"].anns.values()} == {3, 7, 22}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(folder, tmp_path):
    again = toy_coco.generate(tmp_path / "again", NUM_TRAIN, NUM_EVAL, seed=3)
    other = toy_coco.generate(tmp_path / "other", NUM_TRAIN, NUM_EVAL, seed=4)
    assert digest_of(again) == digest_of(folder)
    assert digest_of(other) != digest_of(folder)


def test_a_folder_that_is_there_keeps_its_files_even_when_edited(tmp_path):
    folder = toy_coco.generate(tmp_path / "toy", 3, 2)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    toy_coco.generate(folder, 3, 2)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    edited = folder / "annotations" / "instances_train.json"
    edited.write_text(edited.read_text().replace("toy shapes", "my shapes"))
    toy_coco.generate(folder, 3, 2)
    assert "my shapes" in edited.read_text()
    with pytest.raises(errors.WorkspaceError, match="annotations were edited"):
        toy_coco.generate(folder, 4, 2)


def test_an_unedited_folder_of_other_arguments_is_replaced(tmp_path):
    folder = toy_coco.generate(tmp_path / "toy", 3, 2)
    toy_coco.generate(folder, 4, 2)
    content = json.loads((folder / "annotations/instances_train.json").read_text())
    assert len(content["images"]) == 4


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(errors.WorkspaceError, match="mine: exists and is not a toy"):
        toy_coco.generate(tmp_path / "mine", 3, 2)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_an_interrupted_run_leaves_no_folder_behind(tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        toy_coco.generate(tmp_path / "toy", 3, 2)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    assert toy_coco.generate(tmp_path / "toy", 3, 2).is_dir()


def test_pixels_that_touch_at_a_corner_get_an_outline_each():
    mask = np.array([[1, 0], [0, 1]], bool)
    assert toy_outlines.polygons(mask) == [
        [1, 0, 1, 1, 0, 1, 0, 0],
        [2, 1, 2, 2, 1, 2, 1, 1],
    ]


def test_a_mask_with_a_hole_has_no_polygon():
    mask = np.ones([3, 3], bool)
    mask[1, 1] = False
    assert toy_outlines.polygons(mask) is None
