"""`m2f data convert` on the toy dataset with faults put into it."""

import json

import numpy as np
import tensorflow as tf
from PIL import Image
from pycocotools import coco
from typer import testing

from components.coco_example_gen import problems
from model.examples import features
from pipeline.cli import cli
from pipeline.settings import config
from pipeline.tools import data_check, data_convert

# What no conversion can mend: it is said of the data itself.
OF_THE_DATA = {"image_without_objects", "class_absent_from_split"}


def m2f(*arguments):
    return testing.CliRunner().invoke(cli.app, [str(each) for each in arguments])


def edit(data, change):
    path = data / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def spoil(content):
    """One of most faults that are repaired."""
    polygons = [
        a for a in content["annotations"] if isinstance(a["segmentation"], list)
    ]
    content["categories"].append({"id": 0, "name": "shapes"})
    polygons[0]["id"] = 0
    polygons[1]["segmentation"].append([1, 1, 2, 2])
    polygons[2]["area"] += 1000
    polygons[3]["bbox"][2] += 100
    polygons[4]["segmentation"] = [[1, 1, 1, 1, 1, 1]]


def masks_by_box(truth):
    """Masks of every image, whatever the ids of their annotations."""
    return {
        image["id"]: sorted(
            truth.annToMask(each).tobytes()
            for each in truth.loadAnns(truth.getAnnIds([image["id"]]))
        )
        for image in truth.loadImgs(truth.getImgIds())
    }


def test_repaired_coco_loads_in_pycocotools_and_has_the_same_masks(data, tmp_path):
    edit(data, spoil)
    out = tmp_path / "out"
    done = m2f("data", "convert", data, "--format", "coco", "--out", out)
    assert done.exit_code == 0, done.stderr
    for split in ("train", "val"):
        name = f"annotations/instances_{split}.json"
        given, made = coco.COCO(str(data / name)), coco.COCO(str(out / name))
        for key in [k for k, a in given.anns.items() if not given.annToMask(a).any()]:
            image = given.anns.pop(key)["image_id"]
            given.imgToAnns[image] = [
                a for a in given.imgToAnns[image] if a["id"] != key
            ]
        assert masks_by_box(made) == masks_by_box(given)
        assert 0 not in made.anns and 0 not in made.cats
        for annotation in made.anns.values():
            mask = made.annToMask(annotation)
            rows, columns = np.nonzero(mask)
            x, y = columns.min(), rows.min()
            box = [x, y, columns.max() - x + 1, rows.max() - y + 1]
            assert annotation["bbox"] == box
            assert annotation["area"] == mask.sum()
        for image in made.imgs.values():
            picture = Image.open(out / "images" / image["file_name"])
            assert picture.size == (image["width"], image["height"])
            assert picture.mode == "RGB"


def test_repaired_coco_ingests_again_without_a_problem(data, tmp_path):
    edit(data, spoil)
    out = tmp_path / "out"
    m2f("data", "convert", data, "--format", "coco", "--out", out)
    (tmp_path / "first").mkdir()
    (tmp_path / "again").mkdir()
    settings = config.PipelineConfig()
    first = data_check.check([data], settings, tmp_path / "first")
    again = data_check.check([out], settings, tmp_path / "again")
    repaired = {kind for kind in first.counts if problems.SEVERITIES[kind] != "noted"}
    assert len(repaired) >= 6  # five that spoil made, and a gray picture
    assert set(again.counts) <= OF_THE_DATA


def test_segmentations_are_kept_where_nothing_had_to_be_repaired(data, tmp_path):
    edit(data, spoil)
    out = tmp_path / "out"
    m2f("data", "convert", data, "--format", "coco", "--out", out)
    given, made = (
        json.loads((folder / "annotations" / "instances_train.json").read_text())
        for folder in (data, out)
    )
    made = {each["id"]: each["segmentation"] for each in made["annotations"]}
    changed = [
        each["id"]
        for each in given["annotations"]
        if each["id"] in made and made[each["id"]] != each["segmentation"]
    ]
    polygons = [a for a in given["annotations"] if isinstance(a["segmentation"], list)]
    assert changed == [polygons[1]["id"]]
    assert isinstance(made[changed[0]]["counts"], str)


def test_records_are_those_that_a_run_trains_on(data, tmp_path):
    done = m2f("data", "convert", data, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    (file,) = (tmp_path / "out" / "train").glob("data_tfrecord-*.gz")
    names = [
        features.parse_example(record)[features.IMAGE_FILENAME].numpy().decode()
        for record in tf.data.TFRecordDataset(str(file), "GZIP")
    ]
    assert len(names) == 16
    assert all((data / name).is_file() for name in names)
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == [".written_by_m2f", "eval", "report", "train"]


def test_names_fit_the_format_and_differ(tmp_path):
    names = data_convert._ImageNames()
    chosen = [
        names.choose("a/x.jpg", "jpeg", 1),
        names.choose("a/x.bmp", "png", 2),
        names.choose("a/X.PNG", "png", 3),
        names.choose("b/x.JPEG", "jpeg", 4),
        names.choose("b/y-7.png", "png", 5),
        names.choose("b/y.png", "png", 6),
        names.choose("b/y.bmp", "png", 7),  # y-7.png is another picture
    ]
    first, second = chosen[:4], chosen[4:]
    assert first == ["a/x.jpg", "a/x.png", "a/X-3.PNG", "b/x.JPEG"]
    assert second == ["b/y-7.png", "b/y.png", "b/y-8.png"]


def test_an_interrupted_conversion_leaves_nothing(data, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(data_convert, "_write_json", interrupt)
    done = m2f("data", "convert", data, "--format", "coco", "--out", tmp_path / "out")
    assert done.exit_code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["coco"]


def test_data_that_cannot_be_used_is_exit_code_2_and_leaves_the_report(data, tmp_path):
    good = (data / "annotations" / "instances_train.json").read_bytes()
    edit(data, lambda content: content["images"][0].update(width=7))
    done = m2f("data", "convert", data, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ") and "7 x" in done.stderr
    report = tmp_path / "out.report"
    assert done.stderr.endswith(f"\nThe report is {report / 'report.html'}.\n")
    assert "size_mismatch" in (report / "report.html").read_text()
    listed = json.loads((report / "problems.json").read_text())
    assert listed["counts"]["size_mismatch"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco", "out.report"]
    (data / "annotations" / "instances_train.json").write_bytes(good)
    assert m2f("data", "convert", data, "--out", tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco", "out"]


def test_what_is_not_ours_is_not_replaced_by_a_report(data, tmp_path):
    (tmp_path / "out.report").mkdir()
    (tmp_path / "out.report" / "report.html").write_text("mine")
    edit(data, lambda content: content["images"][0].update(width=7))
    done = m2f("data", "convert", data, "--out", tmp_path / "out")
    assert done.exit_code == 2 and "7 x" in done.stderr
    told = f"The report was not written, and {tmp_path / 'out.report'} is not of this"
    assert told in done.stderr
    assert (tmp_path / "out.report" / "report.html").read_text() == "mine"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = m2f("data", "convert", empty, "--out", tmp_path / "other")
    assert done.exit_code == 2 and "no annotations found" in done.stderr
    assert "The report" not in done.stderr
    assert not (tmp_path / "other.report").exists()


def test_a_report_of_an_earlier_stop_that_cannot_go_is_told(data, tmp_path, capfd):
    good = (data / "annotations" / "instances_train.json").read_bytes()
    edit(data, lambda content: content["images"][0].update(width=7))
    assert m2f("data", "convert", data, "--out", tmp_path / "out").exit_code == 2
    report = tmp_path / "out.report"
    earlier = (report / "problems.json").read_bytes()
    (report / "notes.txt").write_text("mine")
    edit(data, lambda content: content["images"][1].update(width=9))
    done = m2f("data", "convert", data, "--out", tmp_path / "out")
    assert done.exit_code == 2 and "2 faults" in done.stderr
    assert f"{report} is not of this conversion" in done.stderr
    (data / "annotations" / "instances_train.json").write_bytes(good)
    capfd.readouterr()
    assert m2f("data", "convert", data, "--out", tmp_path / "out").exit_code == 0
    out = capfd.readouterr().out
    assert f"kept      {report}, which is not of this conversion\n" in out
    assert (report / "problems.json").read_bytes() == earlier


def test_what_a_conversion_lost_is_told(data, tmp_path, capfd):
    assert m2f("data", "convert", data, "--out", tmp_path / "whole").exit_code == 0
    assert "left out" not in capfd.readouterr().out
    edit(data, spoil)
    picture = min(path for path in data.rglob("*") if path.suffix in (".jpg", ".png"))
    picture.write_bytes(picture.read_bytes()[:90])
    assert m2f("data", "convert", data, "--out", tmp_path / "less").exit_code == 0
    assert "left out  broken_image 1, empty_mask 1\n" in capfd.readouterr().out
