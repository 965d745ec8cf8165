import json
import os
import pathlib

import pytest

from components.coco_example_gen.read import annotation_kinds

SHAPES = '{"version": "5.4.1", "shapes": []}'
INSTANCES = '{"images": [], "annotations": [{"id": 1}], "categories": []}'
SEGMENTS = '{"annotations": [{"image_id": 1, "segments_info": []}]}'


def kind(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return annotation_kinds.kind_of(path)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (SHAPES, "labelme"),
        (INSTANCES, "coco"),
        (SEGMENTS, "panoptic"),
        ('{"annotations": null}', "coco"),
        ('{"shapes": 3, "annotations": []}', "labelme"),
        ('{"images": [{"id": 1}]}', "other"),
        ('{"info": {"annotations": [], "shapes": []}}', "other"),
        ('{"info": "without segments_info", "annotations": []}', "coco"),
    ],
)
def test_the_outermost_keys_tell_what_a_file_holds(tmp_path, content, wanted):
    assert kind(tmp_path, content) == wanted
    assert kind(tmp_path, b"\xef\xbb\xbf" + content.encode()) == wanted


def test_the_values_of_the_keys_are_not_decoded(tmp_path):
    """What another reader refuses is still known for what it was meant to be."""
    deep = "[" * 500 + "]" * 500
    assert kind(tmp_path, f'{{"annotations": [{{"id": "x"}}, {deep}]}}') == "coco"
    assert kind(tmp_path, '{"shapes": [{"points": 3}]}') == "labelme"


@pytest.mark.parametrize(
    "content",
    [
        "",
        " ",
        "[]",
        "3",
        "not json",
        SHAPES[:-1],
        SHAPES + "x",
        "[" * 100_000,
        '{"x": ' + "[" * 100_000,
        b"\xff\xfe\x00binary",
        b"\xef\xbb\xbf",
    ],
)
def test_what_is_no_json_object_is_of_no_kind(tmp_path, content):
    assert kind(tmp_path, content) == "other"


def test_what_is_no_file_is_of_no_kind_and_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "nowhere.json")
    for name in ("pipe", "folder", "link", "absent"):
        assert annotation_kinds.kind_of(tmp_path / f"{name}.json") == "other"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_of_no_kind(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(SHAPES)
    path.chmod(0)
    assert annotation_kinds.kind_of(path) == "other"


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("captions_val2017.json", INSTANCES, "captions"),
        ("image_info_test2017.json", INSTANCES, "images without annotations"),
        ("panoptic_train.json", INSTANCES, "panoptic segments"),
        ("person_keypoints_train.json", INSTANCES, "keypoints"),
        ("stuff_train.json", INSTANCES, "stuff regions"),
        ("a.json", SEGMENTS, "panoptic segments"),
        ("1.json", SHAPES, "the LabelMe shapes of one picture"),
        ("a.json", INSTANCES, None),
        ("a.json", "[", None),  # its reader says what is wrong with it
        ("my_captions_.json", INSTANCES, None),
    ],
)
def test_what_a_file_holds_instead_of_instances_is_told(
    tmp_path, name, content, wanted
):
    (tmp_path / name).write_text(content)
    assert annotation_kinds.why_not_instances(tmp_path / name) == wanted


def test_of_a_file_that_is_named_after_instances_the_name_is_believed(tmp_path):
    """Opening it would take a second where the file is as large as COCO's."""
    path = tmp_path / "instances_train.json"
    path.write_text(SHAPES)
    assert annotation_kinds.kind_of(path) == "labelme"
    assert annotation_kinds.why_not_instances(path) is None


def test_a_file_can_be_changed_after_it_was_looked_at(tmp_path):
    path = tmp_path / "a.json"
    for content, wanted in ((INSTANCES, "coco"), (SHAPES, "labelme")) * 2:
        path.write_text(json.dumps(json.loads(content)))
        assert annotation_kinds.kind_of(path) == wanted
    assert str(path) not in pathlib.Path("/proc/self/maps").read_text()
