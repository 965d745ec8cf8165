import msgspec
import pytest
from panoptic_folder import CAT, DOG, HEIGHT, IDS, WIDTH, PanopticFolder

from components.coco_example_gen.read import layouts
from foundation import errors


@pytest.fixture
def folder(tmp_path):
    return PanopticFolder(tmp_path)


def reference(annotation):
    (found,) = msgspec.json.decode(annotation.segmentation).values()
    return found["file"], found["segment_id"]


def test_things_become_instances_that_name_their_png(folder):
    folder.write()
    content, log = folder.read()
    assert [c.name for c in content.categories] == ["cat", "dog"]
    cat, crowd = content.annotations
    assert (cat.id, cat.image_id, cat.category_id, cat.iscrowd) == (1, 5, CAT, 0)
    assert (cat.bbox, cat.area) == ([3, 2, 6, 3], 18)
    assert (crowd.id, crowd.category_id, crowd.iscrowd) == (2, DOG, 1)
    png = "annotations/panoptic_train/5.png"
    assert [reference(a) for a in (cat, crowd)] == [
        (png, IDS["cat"]),
        (png, IDS["crowd"]),
    ]
    assert layouts.detect(folder.root).name == "panoptic"
    assert log.examples == []


def test_numbers_in_another_form_are_read_and_told_as_in_coco_instances(folder):
    folder.segments[1] |= {"id": "7", "area": float("nan")}
    folder.segments[2]["area"] = 24.0
    folder.write()
    content, log = folder.read()
    cat, crowd = content.annotations
    assert (cat.area, cat.bbox, crowd.area) == (None, [3, 2, 6, 3], 24)
    assert reference(cat)[1] == IDS["cat"]
    assert [(each.kind, each.file, each.message) for each in log.examples] == [
        (
            "number_form",
            "annotations/panoptic_train.json",
            "holds numbers in another form, first at annotations[0].segments_info[1]"
            ".id",
        ),
        (
            "not_a_number",
            "annotations/panoptic_train.json",
            "holds NaN or an infinity 1 times, which JSON does not have",
        ),
    ]


@pytest.mark.parametrize("is_row_twice", [False, True])
def test_a_segment_id_that_comes_twice_in_an_image_stops(folder, is_row_twice):
    row = {"image_id": 5, "file_name": "5.png", "segments_info": folder.segments}
    twice = {**row, "segments_info": [*folder.segments, folder.segments[1]]}
    other = {**row, "segments_info": [folder.segments[1]]}
    folder.write(annotations=[row, other] if is_row_twice else [twice])
    content, log = folder.read()
    assert [a.category_id for a in content.annotations] == [CAT, DOG]
    with pytest.raises(
        errors.CocoFormatError, match="image 5: segment id 7 is used tw"
    ):
        log.raise_errors()


@pytest.mark.parametrize("name", ["../5.png", "/etc/passwd", "C:\\5.png"])
def test_a_png_outside_of_the_data_folder_is_refused(folder, name):
    row = {"image_id": 5, "file_name": name, "segments_info": folder.segments}
    folder.write(annotations=[row])
    content, log = folder.read()
    assert content.annotations == []
    assert [each.kind for each in log.examples] == ["unsafe_path"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": None}, "annotations: "),
        (
            {"annotations": [{"image_id": 5, "file_name": "5.png"}]},
            r"annotations\[0\].segments_info: missing",
        ),
        (
            {
                "annotations": [
                    {
                        "image_id": 5,
                        "file_name": "5.png",
                        "segments_info": [{"id": 2**24, "category_id": CAT}],
                    }
                ]
            },
            r"segments_info\[0\].id: Expected int <= 16777215",
        ),
        (
            {"images": [{"id": 5, "height": HEIGHT, "width": WIDTH}]},
            r"images\[0\].file_name: missing",
        ),
        (
            {"categories": [{"id": CAT, "name": "\t "}]},
            r"categories\[0\].name: Expected str that is not blank",
        ),
    ],
)
def test_a_file_that_is_not_panoptic_is_refused(folder, changes, message):
    folder.write(**changes)
    with pytest.raises(errors.CocoFormatError, match=message) as refused:
        folder.read()
    assert "train.json: not the COCO panoptic format; " in str(refused.value)
