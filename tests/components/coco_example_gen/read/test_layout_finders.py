import layout_folder
import pytest

from components.coco_example_gen.read import layout_finders
from foundation import errors


def find(root, name=None):
    """The layout of a name, or the first that is there, in the finders' order."""
    finders = layout_finders.FINDERS
    names = [name] if name else finders
    return next(filter(None, (finders[each](root) for each in names)), None)


def test_coco_folders_are_named_after_the_annotation_files(tmp_path):
    layout_folder.touch(
        tmp_path,
        "annotations/instances_train2017.json",
        "annotations/instances_val2017.json",
        "annotations/captions_train2017.json",
        "train2017/1.jpg",
        "images/val2017/2.jpg",
    )
    layout = find(tmp_path)
    assert layout.name == "coco"
    assert layout_folder.relative(layout, layout.train) == (
        "annotations/instances_train2017.json",
        ["train2017", "images", "."],
    )
    assert layout_folder.relative(layout, layout.eval) == (
        "annotations/instances_val2017.json",
        ["images/val2017", "images", "."],
    )
    assert layout.ignored == (
        "annotations/captions_train2017.json is not used, it holds captions",
    )


def test_roboflow_keeps_annotations_beside_the_images(tmp_path):
    files = [f"{name}/_annotations.coco.json" for name in ("train", "valid", "test")]
    layout = find(layout_folder.touch(tmp_path, *files))
    assert layout.name == "roboflow"
    assert layout_folder.relative(layout, layout.train) == (files[0], ["train", "."])
    assert layout_folder.relative(layout, layout.eval) == (files[1], ["valid", "."])
    assert layout.ignored == ("test/_annotations.coco.json is not used",)


def test_one_file_has_no_eval_split(tmp_path):
    layout = find(layout_folder.touch(tmp_path, "trainval.json", "images/0.jpg"))
    assert (layout.name, layout.eval) == ("single", None)
    assert layout_folder.relative(layout, layout.train) == (
        "trainval.json",
        ["images", "."],
    )


def test_a_lonely_export_in_the_annotations_folder_is_a_single_file(tmp_path):
    layout = find(layout_folder.touch(tmp_path, "annotations/instances_default.json"))
    assert layout.name == "single"


def test_labelme_files_are_known_by_their_content(tmp_path):
    layout_folder.labelme(
        tmp_path, "b.json", "a/c.JSON", "train_set/d.json", ".trash/e.json"
    )
    layout = find(tmp_path)
    assert (layout.name, layout.eval) == ("labelme", None)
    assert layout.train.format == "labelme"
    files = layout.train.annotation_files()
    names = [str(path.relative_to(tmp_path)) for path in files]
    assert names == ["b.json", "a/c.JSON", "train_set/d.json"]


def test_labelme_folders_named_after_splits_are_the_splits(tmp_path):
    layout_folder.labelme(tmp_path, "Train/1.json", "validation/2.json", "test/3.json")
    layout = find(tmp_path)
    assert layout.train.annotation_file == tmp_path / "Train"
    assert layout.eval.annotation_file == tmp_path / "validation"
    assert layout.ignored == ("test/ is not used",)


def test_of_many_labelme_files_the_first_twenty_are_opened(tmp_path, monkeypatch):
    layout_folder.labelme(tmp_path, *(f"{number:03}.json" for number in range(200)))
    opened = set()
    original = layout_finders.annotation_kinds.kind_of
    monkeypatch.setattr(
        layout_finders.annotation_kinds,
        "kind_of",
        lambda path: opened.add(path) or original(path),
    )
    assert find(tmp_path).name == "labelme"
    assert opened == {tmp_path / f"{number:03}.json" for number in range(20)}


def test_a_few_broken_files_do_not_hide_those_of_labelme(tmp_path):
    layout_folder.touch(tmp_path, *(f"{number:02}.json" for number in range(19)))
    layout_folder.labelme(tmp_path, "19.json", "20.json")
    assert find(tmp_path, "labelme").train.annotation_file == tmp_path
    layout_folder.touch(tmp_path, "19.json")
    assert find(tmp_path, "labelme") is None


def test_labelme_files_outside_of_the_split_folders_are_noted(tmp_path):
    layout_folder.labelme(tmp_path, "train/1.json", "misc/2.json", "b.json", "a.json")
    (tmp_path / "pictures").mkdir()
    assert find(tmp_path).ignored == (
        "misc/ is not used",
        "2 JSON file(s) beside the split folders are not used, the first is a.json",
    )


@pytest.mark.parametrize("with_split", [True, False])
def test_a_folder_that_is_a_link_out_of_the_root_is_no_split(tmp_path, with_split):
    inside = "train/1.json" if with_split else "1.json"
    root = layout_folder.labelme(tmp_path / "data", inside)
    outside = layout_folder.labelme(tmp_path / "outside", "2.json")
    (root / "val").symlink_to(outside)
    (root / "valid").symlink_to(root / "held_out")
    layout_folder.labelme(root, "held_out/3.json")
    layout = find(root)
    held_out = layout.eval and layout.eval.annotation_file
    assert held_out == (root / "valid" if with_split else None)
    assert "val is a link out of the folder: not used" in layout.ignored


def test_cvat_exports_name_their_subsets(tmp_path):
    layout_folder.coco(tmp_path, "annotations/instances_default.json")
    (tmp_path / "images" / "default").mkdir(parents=True)
    layout = find(tmp_path)
    assert layout_folder.relative(layout, layout.train) == (
        "annotations/instances_default.json",
        ["images/default", "images", ".", "annotations"],
    )
    layout_folder.coco(
        tmp_path, *(f"annotations/instances_{s}.json" for s in ("Train", "Validation"))
    )
    layout = find(tmp_path)
    assert layout.train.annotation_file.stem == "instances_Train"
    assert layout.eval.annotation_file.stem == "instances_Validation"
    assert layout.ignored == ("annotations/instances_default.json is not used",)


def test_label_studio_names_images_relative_to_its_export(tmp_path):
    layout_folder.coco(tmp_path, "result.json")
    (tmp_path / "images").mkdir()
    layout = find(tmp_path)
    assert layout_folder.relative(layout, layout.train) == (
        "result.json",
        ["images", "."],
    )


@pytest.mark.parametrize("folder", ["", "annotations/"])
def test_lvis_files_are_found_beside_the_images_too(tmp_path, folder):
    layout_folder.coco(
        tmp_path, f"{folder}lvis_v1_train.json", f"{folder}lvis_v1_val.json"
    )
    layout = find(tmp_path)
    assert layout.name == "coco"
    assert layout_folder.relative(layout, layout.train) == (
        f"{folder}lvis_v1_train.json",
        ["."],
    )
    assert layout.eval.annotation_file.name == "lvis_v1_val.json"


@pytest.mark.parametrize("has_eval", [True, False])
def test_roboflow_exports_come_without_valid_and_without_folders(tmp_path, has_eval):
    file = "_annotations.coco.json"
    train = layout_folder.coco(tmp_path / "one", f"train/{file}")
    if has_eval:
        layout_folder.coco(train, f"test/{file}")
    layout = find(train)
    assert layout.name == "roboflow"
    assert (layout.eval is not None) == has_eval
    alone = find(layout_folder.coco(tmp_path / "two", file))
    assert (alone.name, alone.eval) == ("roboflow", None)
    assert layout_folder.relative(alone, alone.train) == (file, ["."])


def test_panoptic_is_taken_when_there_are_no_instances(tmp_path):
    layout_folder.panoptic(tmp_path, "train2017", "val2017")
    layout = find(tmp_path)
    assert layout.name == "panoptic"
    folder = tmp_path / "annotations" / "panoptic_val2017"
    assert layout.eval.segment_folder == folder
    assert layout.eval.format == "panoptic"
    layout_folder.coco(tmp_path, "annotations/instances_train2017.json")
    layout = find(tmp_path)
    assert layout.name == "coco"
    assert layout.ignored == tuple(
        f"annotations/panoptic_{split}.json is not used, it holds panoptic segments"
        for split in ("train2017", "val2017")
    )
    assert find(tmp_path, "panoptic").name == "panoptic"


def test_a_panoptic_file_is_known_by_its_segments_whatever_its_name(tmp_path):
    segments = '{"annotations": [{"segments_info": []}]}'
    layout_folder.touch(tmp_path, "annotations/a.json", text=segments)
    (tmp_path / "a").mkdir()
    layout = find(tmp_path)
    assert (layout.name, layout.eval) == ("panoptic", None)
    assert layout.train.segment_folder == tmp_path / "a"


def test_a_panoptic_file_without_pngs_is_refused(tmp_path):
    layout_folder.touch(tmp_path, "annotations/panoptic_train.json")
    with pytest.raises(errors.CocoFormatError) as refused:
        find(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}/annotations/panoptic_train.json: no folder of PNGs beside it: "
        "looked for annotations/panoptic_train and panoptic_train. Unpack the segment "
        "pictures into one of them."
    )


@pytest.mark.parametrize("name", ["captions_train.json", "person_keypoints_train.json"])
def test_files_without_instances_are_not_taken_for_some(tmp_path, name):
    layout_folder.coco(tmp_path, f"annotations/{name}")
    assert find(tmp_path) is None


def test_files_named_after_instances_go_before_all_others(tmp_path):
    others = ("annotations/labels_train.json", "annotations/val.json")
    layout_folder.coco(tmp_path, "annotations/instances_train.json", *others)
    layout = find(tmp_path)
    assert layout_folder.relative(layout, layout.train)[0] == (
        "annotations/instances_train.json"
    )
    assert layout.eval is None
    assert layout.ignored == tuple(
        f"{name} is not used, it holds something else beside files named "
        "instances_*.json"
        for name in others
    )


def test_files_are_known_by_what_they_hold_and_not_by_any_name(tmp_path):
    layout_folder.coco(tmp_path, "a_train.json", "b_val.json")
    layout_folder.labelme(tmp_path, "c.json")
    layout = find(tmp_path)
    assert layout.name == "coco"
    assert layout.ignored == (
        "c.json is not used, it holds the LabelMe shapes of one picture",
    )


def test_what_is_no_json_file_of_the_folder_is_passed_over(tmp_path):
    layout_folder.coco(tmp_path, "all.json", ".hidden.json", "folder.json/a.txt")
    assert layout_finders.json_files(tmp_path) == [tmp_path / "all.json"]
    assert layout_finders.json_files(tmp_path / "nowhere") == []
    assert find(tmp_path).train.annotation_file == tmp_path / "all.json"


@pytest.mark.parametrize(
    ("write", "what", "names"),
    [
        (layout_folder.coco, "instances", ("b.json", "a.json")),
        (layout_folder.touch, "panoptic", ("panoptic_b.json", "panoptic_a.json")),
    ],
)
def test_several_files_without_a_training_one_are_refused_by_name(
    tmp_path, write, what, names
):
    write(tmp_path, *names)
    with pytest.raises(errors.CocoFormatError) as refused:
        find(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}: several annotation files and no telling which is for training: "
        f"{names[1]}, {names[0]}. Keep one, or name them annotations/{what}_train.json "
        f"and annotations/{what}_val.json."
    )


@pytest.mark.parametrize("name", [*layout_finders.FINDERS])
def test_an_empty_folder_fits_no_layout(tmp_path, name):
    assert find(tmp_path, name) is None
    layout_folder.touch(tmp_path, "1.jpg", "notes.txt", "train/2.jpg")
    assert find(tmp_path, name) is None
