import json
from importlib import resources

import pytest

from components.coco_example_gen import coco_json
from pipeline import errors

IMAGE = {"id": 1, "file_name": "1.jpg", "height": 4, "width": 5}
ANNOTATION = {"id": 1, "image_id": 1, "category_id": 2, "segmentation": []}
CATEGORY = {"id": 2, "name": "cat", "supercategory": "animal"}


def write(tmp_path, **changes):
    content = {"images": [IMAGE], "annotations": [ANNOTATION], "categories": [CATEGORY]}
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({**content, **changes}))
    return path


def test_the_published_schema_is_the_one_that_is_checked():
    file = resources.files("schemas") / "coco_instances.schema.json"
    assert json.loads(file.read_text()) == coco_json.CocoInstances.model_json_schema()


def test_unknown_keys_and_sizes_written_as_floats_are_fine(tmp_path):
    path = write(tmp_path, info={"year": 2017}, images=[{**IMAGE, "height": 4.0}])
    assert coco_json.read(path).images[0].height == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "images: Input should be a valid array, got None"),
        (
            {"images": [{**IMAGE, "id": "1"}]},
            r"images\[0\].id: Input should be a valid integer, got '1'",
        ),
        ({"images": [{**IMAGE, "height": 0}]}, r"images\[0\].height: .* got 0"),
        ({"images": [{"id": 1}]}, r"images\[0\].file_name: Field required\n"),
        ({"annotations": [{**ANNOTATION, "iscrowd": 2}]}, r"iscrowd: .* got 2"),
        (
            {"annotations": [{**ANNOTATION, "segmentation": "RLE"}]},
            r"annotations\[0\].segmentation.list.*: .* got 'RLE'",
        ),
        ({"categories": [{"id": 1, "name": ""}]}, r"categories\[0\].name: .* got ''"),
    ],
)
def test_a_fault_is_named_with_its_place_and_value(tmp_path, changes, message):
    with pytest.raises(errors.CocoFormatError, match=message) as refused:
        coco_json.read(write(tmp_path, **changes))
    assert "instances.json: not the COCO instances format" in str(refused.value)


def test_the_first_twenty_of_many_faults_are_listed(tmp_path):
    images = [{**IMAGE, "id": -index} for index in range(1, 31)]
    with pytest.raises(errors.CocoFormatError, match="30 faults") as refused:
        coco_json.read(write(tmp_path, images=images))
    lines = str(refused.value).splitlines()
    assert sum("got -" in line for line in lines) == 20
    assert lines[-1].strip() == "... and 10 more"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{not json", "not JSON: .*line 1 column 2"),
        ("", "not JSON"),
        ("[]", "holds a list, wanted an object .* a results file"),
    ],
)
def test_what_is_not_coco_at_all_is_said_in_a_line(tmp_path, text, message):
    path = tmp_path / "instances.json"
    path.write_text(text)
    with pytest.raises(errors.CocoFormatError, match=message):
        coco_json.read(path)


def test_a_file_that_is_not_text_is_not_json(tmp_path):
    path = tmp_path / "instances.json"
    path.write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(errors.CocoFormatError, match="instances.json: not JSON"):
        coco_json.read(path)
