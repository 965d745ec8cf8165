import os

import labelme_folder
import msgspec
import pytest

from components.coco_example_gen.read import layouts


@pytest.fixture
def folder(tmp_path):
    return labelme_folder.LabelMeFolder(tmp_path / "data")


def test_ids_follow_paths_and_names(folder):
    bus = {**labelme_folder.SQUARE, "label": "bus "}
    folder.pair("b")
    folder.pair("a/z", shapes=[labelme_folder.SQUARE, bus])
    folder.pair("c", shapes=[])
    contents, log = folder.read()
    content = contents["train"]
    assert list(contents) == ["train"]
    assert labelme_folder.files(content) == {1: "a/z.png", 2: "b.png", 3: "c.png"}
    assert {c.id: c.name for c in content.categories} == {1: "bus", 2: "square"}
    assert [(a.id, a.image_id, a.category_id) for a in content.annotations] == [
        (1, 1, 2),
        (2, 1, 1),
        (3, 2, 2),
    ]
    assert (
        msgspec.json.decode(content.annotations[0].segmentation)
        == labelme_folder.POLYGON
    )
    assert labelme_folder.told(log) == []


def test_split_folders_share_ids_of_images_and_classes(folder):
    folder.pair("train/1")
    folder.pair("val/1", shapes=[{**labelme_folder.SQUARE, "label": "bus"}])
    folder.pair("elsewhere/1")
    folder.file("loose.json")
    layout = layouts.detect(folder.root)
    assert layout.ignored == (
        "elsewhere/ is not used",
        "1 JSON file(s) beside the split folders are not used, the first is loose.json",
    )
    contents, _ = folder.read()
    assert labelme_folder.files(contents["train"]) == {1: "train/1.png"}
    assert labelme_folder.files(contents["eval"]) == {2: "val/1.png"}
    assert [c.id for c in contents["train"].categories] == [2]
    assert [c.id for c in contents["eval"].categories] == [1]
    assert [a.id for s in contents.values() for a in s.annotations] == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON: "),
        ('{"shapes": [', "is not JSON: "),
        ("[" * 100_000, "is not "),
        ('{"shapes": 3}', "is not a LabelMe file: Expected array, got int - at $.sha"),
        (
            '{"images": [], "annotations": [], "categories": []}',
            "is not a LabelMe file: Object missing required field shapes",
        ),
    ],
)
def test_a_file_of_another_kind_is_left_out(folder, text, message):
    folder.pair("1")
    (folder.root / "sub").mkdir()
    (folder.root / "sub" / "2.json").write_text(text)
    contents, log = folder.read()
    assert labelme_folder.files(contents["train"]) == {1: "1.png"}
    ((kind, file, reason),) = labelme_folder.told(log)
    assert (kind, file) == ("broken_labelme_file", "sub/2.json")
    assert reason.startswith(message)


@pytest.mark.parametrize(
    ("text", "kind"),
    [(b'"5.4.1"', "broken_labelme_file"), (b'"square"', "shape_unusable")],
)
def test_texts_that_are_not_utf_8_are_told(folder, text, kind):
    folder.pair("1")
    folder.pair("2")
    path = folder.root / "2.json"
    path.write_bytes(path.read_bytes().replace(text, b'"\xf1"'))
    _, log = folder.read()
    ((found, file, reason),) = labelme_folder.told(log)
    assert (found, file) == (kind, "2.json")
    assert "utf-8" in reason


def test_a_pipe_is_not_waited_for(folder):
    folder.pair("2")
    os.mkfifo(folder.root / "1.json")
    contents, log = folder.read()
    assert labelme_folder.files(contents["train"]) == {2: "2.png"}
    ((kind, file, reason),) = labelme_folder.told(log)
    assert (kind, file) == ("broken_labelme_file", "1.json")
    assert "is no file" in reason


def test_a_file_of_too_many_bytes_is_left_out(folder):
    folder.pair("1")
    size = (folder.root / "1.json").stat().st_size
    assert folder.read(max_annotation_bytes=size)[1].counts == {}
    _, log = folder.read(max_annotation_bytes=size - 1)
    assert log.counts["broken_labelme_file"] == 1
    assert f"has {size} bytes" in log.examples[0].message


def test_versions_beyond_the_known_ones_are_read_and_told(folder):
    folder.pair("1", version="3.16.7")
    folder.pair("2", version="6.0.0")
    folder.pair("3", version="absent")
    contents, log = folder.read()
    assert len(contents["train"].annotations) == 3
    assert [(kind, file) for kind, file, _ in labelme_folder.told(log)] == [
        ("unknown_labelme_version", "2.json"),
        ("unknown_labelme_version", "3.json"),
    ]


def test_shapes_left_out_are_told_with_their_file(folder):
    point = {"label": "square", "points": [[1, 1]], "shape_type": "point"}
    folder.pair("1", shapes=[labelme_folder.SQUARE, point])
    _, log = folder.read()
    assert labelme_folder.told(log) == [
        ("shape_without_area", "1.json", "shapes[1] 'square': a point covers no pixels")
    ]
    assert log.examples[0].image_id == 1


def test_a_byte_order_mark_is_passed_over(folder):
    folder.pair("1")
    path = folder.root / "1.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    contents, log = folder.read()
    assert len(contents["train"].annotations) == 1
    assert labelme_folder.told(log) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_told(folder):
    folder.pair("1")
    folder.pair("2")
    (folder.root / "2.json").chmod(0)
    _, log = folder.read()
    assert [(kind, file) for kind, file, _ in labelme_folder.told(log)][0] == (
        "broken_labelme_file",
        "2.json",
    )
