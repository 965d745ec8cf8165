import os
import pathlib

import layout_folder
import pytest

from components.coco_example_gen.read import layouts
from foundation import errors


def test_only_the_layout_asked_for_is_looked_for(tmp_path):
    layout_folder.touch(tmp_path, "annotations/instances_train.json")
    assert layouts.detect(tmp_path, "coco").name == "coco"
    with pytest.raises(errors.CocoFormatError, match="Looked for\n  roboflow: train/"):
        layouts.detect(tmp_path, "roboflow")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds nothing"),
        (["photo.jpg"], r"(?s)coco: .*roboflow: .*single: .*holds photo.jpg"),
    ],
)
def test_a_folder_that_fits_no_layout_is_refused(tmp_path, files, message):
    with pytest.raises(errors.CocoFormatError, match=message):
        layouts.detect(layout_folder.touch(tmp_path, *files))


def test_a_folder_whose_path_is_no_utf8_is_refused_with_what_can_be_shown(tmp_path):
    folder = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe4ta"))
    layout_folder.touch(folder, "annotations/instances_train.json")
    with pytest.raises(errors.CocoFormatError, match=r"/d\?ta: .* no UTF-8") as raised:
        layouts.detect(folder)
    str(raised.value).encode()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(errors.CocoFormatError, match="nowhere: no such folder"):
        layouts.detect(tmp_path / "nowhere")


def test_roots_get_prefixes_that_tell_them_apart(tmp_path):
    roots = [tmp_path / name for name in ("x/site", "y/site", "z/site-2", "other")]
    for root in roots:
        layout_folder.touch(root, "all.json")
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
    root = layout_folder.touch(tmp_path / "data", "all.json", "sub/all.json")
    for roots in ([root, root / inner], [root / inner, root]):
        with pytest.raises(errors.CocoFormatError, match="lies inside of"):
            layouts.detect_all(roots)


def test_a_folder_with_coco_and_labelme_files_has_to_be_told(tmp_path):
    layout_folder.labelme(tmp_path, "1.json", "2.json")
    layout_folder.coco(tmp_path, "converted.json")
    with pytest.raises(errors.CocoFormatError, match=r"converted\.json.*data\.layout"):
        layouts.detect(tmp_path)
    single = layouts.detect(tmp_path, "single")
    assert single.train.annotation_file.name == "converted.json"
    assert len(single.ignored) == 2
    assert layouts.detect(tmp_path, "labelme").name == "labelme"


def test_labelme_files_beside_named_coco_files_are_noted(tmp_path):
    layout_folder.coco(tmp_path, "annotations/instances_train.json")
    layout_folder.labelme(tmp_path, "images/1.json")
    layout = layouts.detect(tmp_path)
    assert layout.name == "coco"
    assert "images/1.json is a LabelMe file and is not used" in layout.ignored[0]


@pytest.mark.parametrize("linked", ["annotations", "annotations/instances_train.json"])
def test_annotations_may_be_a_link_but_not_out_of_the_folder(tmp_path, linked):
    root = layout_folder.touch(tmp_path / "data", "annotations/instances_train.json")
    stored = root / "stored"
    (root / linked).rename(stored)
    (root / linked).symlink_to(stored)
    assert layouts.detect(root).name == "coco"
    outside = stored.rename(tmp_path / "outside")
    (root / linked).unlink()
    (root / linked).symlink_to(outside)
    with pytest.raises(errors.CocoFormatError, match="_train.json: links to .*outside"):
        layouts.detect(root)
