import pytest

from components.coco_example_gen.read import layouts
from foundation import errors


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


def test_roots_get_prefixes_that_tell_them_apart(tmp_path):
    roots = [tmp_path / name for name in ("x/site", "y/site", "z/site-2", "other")]
    for root in roots:
        touch(root, "all.json")
    assert layouts.detect_all(roots[:1])[0].prefix == ""
    found = layouts.detect_all(roots)
    assert [layout.prefix for layout in found] == [
        "site/",
        "site-2/",
        "site-2-2/",
        "other/",
    ]
    assert found[1].name_of(roots[1] / "a" / "1.jpg") == "site-2/a/1.jpg"
    assert found[1].name_of(roots[1]) == "site-2/"
    assert layouts.detect(roots[0]).name_of(roots[0]) == "site/"


@pytest.mark.parametrize("inner", [".", "sub", "../data"])
def test_a_root_inside_of_another_is_refused(tmp_path, inner):
    root = touch(tmp_path / "data", "all.json", "sub/all.json")
    for roots in ([root, root / inner], [root / inner, root]):
        with pytest.raises(errors.CocoFormatError, match="lies inside of"):
            layouts.detect_all(roots)


def labelme(root, *paths):
    for path in paths:
        touch(root, path)
        (root / path).write_text('{"version": "5.0.1", "shapes": []}')
    return root


def coco(root, *paths):
    for path in paths:
        touch(root, path)
        content = '{"images": [], "annotations": [], "categories": []}'
        (root / path).write_text(content)
    return root


def test_labelme_files_are_known_by_their_content(tmp_path):
    labelme(tmp_path, "b.json", "a/c.JSON", "train_set/d.json", ".trash/e.json")
    layout = layouts.detect(tmp_path)
    assert (layout.name, layout.eval) == ("labelme", None)
    assert layout.train.format == "labelme"
    files = layout.train.annotation_files()
    names = [str(path.relative_to(tmp_path)) for path in files]
    assert names == ["b.json", "a/c.JSON", "train_set/d.json"]


def test_labelme_folders_named_after_splits_are_the_splits(tmp_path):
    labelme(tmp_path, "Train/1.json", "validation/2.json", "test/3.json")
    layout = layouts.detect(tmp_path)
    assert layout.train.annotation_file == tmp_path / "Train"
    assert layout.eval.annotation_file == tmp_path / "validation"
    assert layout.ignored == ("test/ is not used",)


def test_many_labelme_files_are_not_all_opened(tmp_path, monkeypatch):
    labelme(tmp_path, *(f"{number:03}.json" for number in range(200)))
    opened = []
    original = layouts.layout_finders.annotation_kinds.kind_of
    monkeypatch.setattr(
        layouts.layout_finders.annotation_kinds,
        "kind_of",
        lambda path: opened.append(path) or original(path),
    )
    assert layouts.detect(tmp_path).name == "labelme"
    assert len(opened) < 200


def test_a_folder_with_coco_and_labelme_files_has_to_be_told(tmp_path):
    labelme(tmp_path, "1.json", "2.json")
    coco(tmp_path, "converted.json")
    with pytest.raises(errors.CocoFormatError, match=r"converted\.json.*data\.layout"):
        layouts.detect(tmp_path)
    single = layouts.detect(tmp_path, "single")
    assert single.train.annotation_file.name == "converted.json"
    assert len(single.ignored) == 2
    assert layouts.detect(tmp_path, "labelme").name == "labelme"


def test_labelme_files_beside_named_coco_files_are_noted(tmp_path):
    coco(tmp_path, "annotations/instances_train.json")
    labelme(tmp_path, "images/1.json")
    layout = layouts.detect(tmp_path)
    assert layout.name == "coco"
    assert "images/1.json is a LabelMe file and is not used" in layout.ignored[0]


def test_cvat_exports_name_their_subsets(tmp_path):
    coco(tmp_path, "annotations/instances_default.json")
    (tmp_path / "images" / "default").mkdir(parents=True)
    layout = layouts.detect(tmp_path)
    assert relative(layout, layout.train) == (
        "annotations/instances_default.json",
        ["images/default", "images", ".", "annotations"],
    )
    coco(
        tmp_path, *(f"annotations/instances_{s}.json" for s in ("Train", "Validation"))
    )
    layout = layouts.detect(tmp_path)
    assert layout.train.annotation_file.stem == "instances_Train"
    assert layout.eval.annotation_file.stem == "instances_Validation"
    assert layout.ignored == ("annotations/instances_default.json is not used",)


def test_label_studio_names_images_relative_to_its_export(tmp_path):
    coco(tmp_path, "result.json")
    (tmp_path / "images").mkdir()
    layout = layouts.detect(tmp_path)
    assert relative(layout, layout.train) == ("result.json", ["images", "."])


@pytest.mark.parametrize("folder", ["", "annotations/"])
def test_lvis_files_are_found_beside_the_images_too(tmp_path, folder):
    coco(tmp_path, f"{folder}lvis_v1_train.json", f"{folder}lvis_v1_val.json")
    layout = layouts.detect(tmp_path)
    assert layout.name == "coco"
    assert relative(layout, layout.train) == (f"{folder}lvis_v1_train.json", ["."])
    assert layout.eval.annotation_file.name == "lvis_v1_val.json"


@pytest.mark.parametrize("has_eval", [True, False])
def test_roboflow_exports_come_without_valid_and_without_folders(tmp_path, has_eval):
    file = "_annotations.coco.json"
    train = coco(tmp_path / "one", f"train/{file}")
    if has_eval:
        coco(train, f"test/{file}")
    layout = layouts.detect(train)
    assert layout.name == "roboflow"
    assert (layout.eval is not None) == has_eval
    alone = layouts.detect(coco(tmp_path / "two", file))
    assert (alone.name, alone.eval) == ("roboflow", None)
    assert relative(alone, alone.train) == (file, ["."])


def panoptic(root, *splits):
    for split in splits:
        touch(root, f"annotations/panoptic_{split}.json")
        (root / "annotations" / f"panoptic_{split}").mkdir()
    return root


def test_panoptic_is_taken_when_there_are_no_instances(tmp_path):
    panoptic(tmp_path, "train2017", "val2017")
    layout = layouts.detect(tmp_path)
    assert layout.name == "panoptic"
    folder = tmp_path / "annotations" / "panoptic_val2017"
    assert layout.eval.segment_folder == folder
    assert layout.eval.format == "panoptic"
    coco(tmp_path, "annotations/instances_train2017.json")
    layout = layouts.detect(tmp_path)
    assert layout.name == "coco"
    assert layout.ignored == tuple(
        f"annotations/panoptic_{split}.json is not used, it holds panoptic segments"
        for split in ("train2017", "val2017")
    )
    assert layouts.detect(tmp_path, "panoptic").name == "panoptic"


def test_a_panoptic_file_without_pngs_is_refused(tmp_path):
    touch(tmp_path, "panoptic_train.json")
    with pytest.raises(errors.CocoFormatError, match="no folder of PNGs beside it"):
        layouts.detect(tmp_path)


@pytest.mark.parametrize("linked", ["annotations", "annotations/instances_train.json"])
def test_annotations_may_be_a_link_but_not_out_of_the_folder(tmp_path, linked):
    root = touch(tmp_path / "data", "annotations/instances_train.json")
    stored = root / "stored"
    (root / linked).rename(stored)
    (root / linked).symlink_to(stored)
    assert layouts.detect(root).name == "coco"
    outside = stored.rename(tmp_path / "outside")
    (root / linked).unlink()
    (root / linked).symlink_to(outside)
    with pytest.raises(errors.CocoFormatError, match="_train.json: links to .*outside"):
        layouts.detect(root)


@pytest.mark.parametrize("name", ["captions_train.json", "person_keypoints_train.json"])
def test_files_without_instances_are_not_taken_for_some(tmp_path, name):
    coco(tmp_path, f"annotations/{name}")
    with pytest.raises(errors.CocoFormatError, match="no annotations found"):
        layouts.detect(tmp_path)
