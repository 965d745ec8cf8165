import pytest

from components.coco_example_gen import layouts
from pipeline import errors


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("{}")
    return root


def relative(layout, source):
    folders = [str(f.relative_to(layout.root)) for f in source.image_folders]
    return str(source.annotation_file.relative_to(layout.root)), folders


def test_coco_folders_are_named_after_the_annotation_files(tmp_path):
    touch(
        tmp_path,
        "annotations/instances_train2017.json",
        "annotations/instances_val2017.json",
        "annotations/captions_train2017.json",
        "train2017/1.jpg",
        "images/val2017/2.jpg",
    )
    layout = layouts.detect(tmp_path)
    assert layout.name == "coco"
    assert relative(layout, layout.train) == (
        "annotations/instances_train2017.json",
        ["train2017", "images", "."],
    )
    assert relative(layout, layout.eval) == (
        "annotations/instances_val2017.json",
        ["images/val2017", "images", "."],
    )
    assert layout.ignored == (
        "annotations/captions_train2017.json is not used, it holds captions",
    )


def test_a_test_split_is_ignored_beside_val_and_used_without(tmp_path):
    touch(
        tmp_path,
        "annotations/instances_train.json",
        "annotations/instances_test.json",
    )
    assert layouts.detect(tmp_path).eval.annotation_file.stem == "instances_test"
    touch(tmp_path, "annotations/instances_val.json")
    layout = layouts.detect(tmp_path)
    assert layout.eval.annotation_file.stem == "instances_val"
    assert layout.ignored == ("annotations/instances_test.json is not used",)


def test_roboflow_keeps_annotations_beside_the_images(tmp_path):
    files = [f"{name}/_annotations.coco.json" for name in ("train", "valid", "test")]
    layout = layouts.detect(touch(tmp_path, *files))
    assert layout.name == "roboflow"
    assert relative(layout, layout.train) == (files[0], ["train", "."])
    assert relative(layout, layout.eval) == (files[1], ["valid", "."])
    assert layout.ignored == ("test/_annotations.coco.json is not used",)


def test_one_file_has_no_eval_split(tmp_path):
    layout = layouts.detect(touch(tmp_path, "trainval.json", "images/0.jpg"))
    assert (layout.name, layout.eval) == ("single", None)
    assert relative(layout, layout.train) == ("trainval.json", ["images", "."])


def test_a_lonely_export_in_the_annotations_folder_is_a_single_file(tmp_path):
    layout = layouts.detect(touch(tmp_path, "annotations/instances_default.json"))
    assert layout.name == "single"


def test_only_the_layout_asked_for_is_looked_for(tmp_path):
    touch(tmp_path, "annotations/instances_train.json")
    assert layouts.detect(tmp_path, "coco").name == "coco"
    with pytest.raises(errors.CocoFormatError, match="Looked for\n  roboflow: train/"):
        layouts.detect(tmp_path, "roboflow")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds nothing"),
        (["photo.jpg"], r"(?s)coco: .*roboflow: .*single: .*holds photo.jpg"),
        (["a.json", "b.json"], "several annotation files .* a.json, b.json"),
        (
            [f"annotations/instances_train{year}.json" for year in (2014, 2017)],
            "2 annotation files look like the training split: .*train2014.*train2017",
        ),
    ],
)
def test_a_folder_that_fits_no_layout_is_refused(tmp_path, files, message):
    with pytest.raises(errors.CocoFormatError, match=message):
        layouts.detect(touch(tmp_path, *files))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(errors.CocoFormatError, match="nowhere: no such folder"):
        layouts.detect(tmp_path / "nowhere")
