import json
import time
from importlib import resources

import msgspec
import pytest

from components.coco_example_gen import problems
from components.coco_example_gen.read import coco_json
from foundation import errors

IMAGE = {"id": 1, "file_name": "1.jpg", "height": 4, "width": 5}
ANNOTATION = {"id": 1, "image_id": 1, "category_id": 2, "segmentation": []}
CATEGORY = {"id": 2, "name": "cat", "supercategory": "animal"}


def write(tmp_path, **changes):
    content = {"images": [IMAGE], "annotations": [ANNOTATION], "categories": [CATEGORY]}
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({**content, **changes}))
    return path


def read(path, log=None, max_bytes=20_000):
    return coco_json.read(path, log or problems.ProblemLog(), path.name, max_bytes)


def test_the_published_schema_is_the_one_that_is_checked():
    file = resources.files("schemas") / "coco_instances.schema.json"
    assert json.loads(file.read_text()) == msgspec.json.schema(coco_json.CocoInstances)


def test_unknown_keys_are_passed_over(tmp_path):
    log = problems.ProblemLog()
    path = write(tmp_path, info={"year": 2017}, images=[{**IMAGE, "license": [1]}])
    assert read(path, log).images[0].id == 1
    assert not log.counts


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [("height", 4.0, 4), ("id", "17", 17), ("width", "5.0", 5), ("id", 3e2, 300)],
)
def test_whole_numbers_in_another_form_are_read_and_told(tmp_path, key, value, wanted):
    log = problems.ProblemLog()
    path = write(tmp_path, images=[IMAGE, {**IMAGE, key: value}])
    assert getattr(read(path, log).images[1], key) == wanted
    assert [each.message for each in log.examples] == [
        f"holds numbers in another form, first at images[1].{key}"
    ]


def test_nan_and_infinity_count_as_missing_but_not_inside_of_texts(tmp_path):
    log = problems.ProblemLog()
    odd = {"area": float("nan"), "bbox": [1, float("-inf"), 2, 3]}
    name = 'NaN, "Infinity", \\'
    path = write(
        tmp_path,
        annotations=[{**ANNOTATION, **odd, "segmentation": [[float("inf"), 2]]}],
        categories=[{"id": 2, "name": name}],
    )
    content = read(path, log)
    (annotation,) = content.annotations
    assert (annotation.area, annotation.bbox) == (None, [1, None, 2, 3])
    assert bytes(annotation.segmentation) == b"[[null, 2]]"
    assert content.categories[0].name == name
    assert log.counts == {"not_a_number": 1}
    assert "3 times" in log.examples[0].message


@pytest.mark.parametrize("is_text_first", [True, False])
def test_both_odd_forms_in_a_file_are_read_and_told(tmp_path, is_text_first):
    odd = [{**ANNOTATION, "image_id": "1"}, {**ANNOTATION, "area": float("nan")}]
    path = write(tmp_path, annotations=odd if is_text_first else odd[::-1])
    log = problems.ProblemLog()
    assert [each.image_id for each in read(path, log).annotations] == [1, 1]
    assert log.counts == {"number_form": 1, "not_a_number": 1}


@pytest.mark.parametrize("end", ["", "\\"])
def test_texts_without_an_end_are_passed_over_once(tmp_path, end):
    path = tmp_path / "instances.json"
    path.write_text('{"images": [NaN, "' + '\\"' * 200_000 + end)
    started = time.process_time()
    with pytest.raises(errors.CocoFormatError, match="not JSON"):
        read(path, max_bytes=1_000_000)
    assert time.process_time() - started < 5  # seconds; hours once


def test_a_segmentation_stays_the_json_it_was(tmp_path):
    text = "[[1, 2.50,3 ,4,5,6]]"
    path = write(tmp_path, annotations=[{**ANNOTATION, "segmentation": "HERE"}])
    path.write_text(path.read_text().replace('"HERE"', text))
    assert bytes(read(path).annotations[0].segmentation) == text.encode()


def test_lvis_files_without_iscrowd_and_file_name_are_read(tmp_path):
    image = {"id": 1, "height": 4, "width": 5}
    image["coco_url"] = "http://images.example/train2017/000000000009.jpg"
    content = read(write(tmp_path, images=[image]))
    assert content.images[0].file_name == "train2017/000000000009.jpg"
    assert content.annotations[0].iscrowd == 0
    del image["coco_url"]
    with pytest.raises(errors.CocoFormatError, match=r"images\[0\].file_name: missing"):
        read(write(tmp_path, images=[image]))


def test_a_coco_file_cannot_set_what_only_readers_set(tmp_path):
    tricky = {**IMAGE, "embedded_in": "a.json", "root_index": 7}
    tricky["listed_segments"] = {"a.png": [7]}
    (image,) = read(write(tmp_path, images=[tricky])).images
    set_by_readers = image.embedded_in, image.root_index, image.listed_segments
    assert set_by_readers == ("", 0, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": [IMAGE, {**IMAGE, "height": 0, "width": "w"}]},
            r'2 faults(.|\n)*images\[1\].height: .* >= 1, got 0\n.*width: .*"w"',
        ),
        ({"images": [{**IMAGE, "id": 2**63}]}, "id: Expected int <= 9223372036854775"),
        ({"annotations": [{**ANNOTATION, "iscrowd": 2}]}, r"iscrowd: .* got 2"),
        (
            {"categories": [{"id": 1, "name": ""}, {"id": 2, "name": " \u00a0"}]},
            r'2 faults(.|\n)*s\[0\].name: Expected str that is not blank, got ""\n'
            r'  categories\[1\].name: Expected str that is not blank, got " ',
        ),
        (
            {"images": [{**IMAGE, "height": float("nan")}]},
            r"images\[0\].height: Expected int, got null",
        ),
    ],
)
def test_values_that_coco_does_not_have_are_refused(tmp_path, changes, message):
    with pytest.raises(errors.CocoFormatError, match=message) as refused:
        read(write(tmp_path, **changes))
    assert "instances.json: not the COCO instances format" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "not COCO: holds a list"),
        (b"{not json", "not JSON: "),
        (b"\xff\xfe\x00binary", "not JSON: "),
        (b'{"x": ' + b"[" * 5000, "nests lists or objects too deeply"),
        (b'{"images": [{"file_name": "\xf1"}]}', "not the COCO instances format"),
    ],
)
def test_whatever_decoding_stumbles_over_is_an_error_that_names_the_file(
    tmp_path, content, message
):
    path = tmp_path / "instances.json"
    path.write_bytes(content)
    with pytest.raises(errors.CocoFormatError, match=f"instances.json: {message}"):
        read(path)


def test_a_file_above_the_limit_is_refused_before_it_is_read(tmp_path):
    path = write(tmp_path)
    with pytest.raises(errors.CocoFormatError, match="max_annotation_bytes=") as told:
        read(path, max_bytes=path.stat().st_size - 1)
    assert "instances.json: has" in str(told.value)
    assert read(path, max_bytes=path.stat().st_size)


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = write(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(path).images[0].id == 1
