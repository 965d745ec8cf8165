import json
import os
import pathlib
import re

import msgspec
import numpy as np
import pytest
from PIL import Image

from components.coco_example_gen import (
    annotations,
    examples,
    layouts,
    panoptic,
    problems,
    safe_paths,
)
from model import mask_rle
from pipeline import errors

HEIGHT, WIDTH = 9, 14
CAT, DOG, SKY = 17, 18, 187
CATEGORIES = [
    {"id": CAT, "name": "cat", "isthing": 1},
    {"id": DOG, "name": "dog", "isthing": 1},
    {"id": SKY, "name": "sky", "isthing": 0},
]
# Ids that need each of the three bytes of a colour.
IDS = {"cat": 7, "crowd": 2 + 256 * 40, "sky": 65536 * 3}


def hand_drawn():
    masks = {name: np.zeros([HEIGHT, WIDTH], bool) for name in IDS}
    masks["cat"][2:5, 3:9] = True
    masks["crowd"][6:, :4] = True
    masks["crowd"][6:, 10:] = True
    masks["sky"][0] = True
    return masks


class PanopticFolder:
    """Writes one image with a cat, a crowd of dogs and the sky."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.segments = [
            {"id": IDS["sky"], "category_id": SKY, "iscrowd": 0, "area": 14},
            {
                "id": IDS["cat"],
                "category_id": CAT,
                "iscrowd": 0,
                "area": 18,
                "bbox": [3, 2, 6, 3],
            },
            {"id": IDS["crowd"], "category_id": DOG, "iscrowd": 1, "area": 24},
        ]
        (root / "annotations" / "panoptic_train").mkdir(parents=True)
        (root / "train").mkdir()
        Image.new("RGB", (WIDTH, HEIGHT)).save(root / "train" / "5.png")
        self.png(hand_drawn())

    def png(self, masks):
        colours = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
        for name, mask in masks.items():
            colours[mask] = [IDS[name] >> shift & 255 for shift in (0, 8, 16)]
        path = self.root / "annotations" / "panoptic_train" / "5.png"
        Image.fromarray(colours).save(path)

    def write(self, **changes):
        content = {
            "images": [
                {"id": 5, "file_name": "5.png", "height": HEIGHT, "width": WIDTH}
            ],
            "annotations": [
                {"image_id": 5, "file_name": "5.png", "segments_info": self.segments}
            ],
            "categories": CATEGORIES,
            **changes,
        }
        path = self.root / "annotations" / "panoptic_train.json"
        path.write_text(json.dumps(content))

    def read(self):
        layout = layouts.detect(self.root)
        assert layout.name == "panoptic"
        log = problems.ProblemLog()
        return panoptic.read(layout, layout.train, log, 10**6), log


@pytest.fixture
def folder(tmp_path):
    return PanopticFolder(tmp_path)


def draw(annotation, root, height=HEIGHT, width=WIDTH):
    decoded = msgspec.json.decode(annotation.segmentation)
    return panoptic.mask(decoded, root, height, width)


def test_things_become_instances_with_the_pixels_of_the_png(folder):
    folder.write()
    content, log = folder.read()
    assert [c.name for c in content.categories] == ["cat", "dog"]
    cat, crowd = content.annotations
    assert (cat.id, cat.image_id, cat.category_id, cat.iscrowd) == (1, 5, CAT, 0)
    assert (cat.bbox, cat.area) == ([3, 2, 6, 3], 18)
    assert (crowd.id, crowd.category_id, crowd.iscrowd) == (2, DOG, 1)
    expected = hand_drawn()
    np.testing.assert_array_equal(draw(cat, folder.root), expected["cat"])
    np.testing.assert_array_equal(draw(crowd, folder.root), expected["crowd"])
    assert log.examples == []


def test_numbers_in_another_form_are_read_and_told_as_in_coco_instances(folder):
    folder.segments[1] |= {"id": "7", "area": float("nan")}
    folder.segments[2]["area"] = 24.0
    folder.write()
    content, log = folder.read()
    cat, crowd = content.annotations
    assert (cat.area, cat.bbox, crowd.area) == (None, [3, 2, 6, 3], 24)
    np.testing.assert_array_equal(draw(cat, folder.root), hand_drawn()["cat"])
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


def test_a_segment_without_pixels_is_an_empty_mask(folder):
    masks = hand_drawn()
    del masks["cat"]
    folder.png(masks)
    folder.write()
    content, _ = folder.read()
    with pytest.raises(mask_rle.EmptyMaskError, match=r"5.png is of segment 7"):
        draw(content.annotations[0], folder.root)


def test_the_void_is_no_segment(folder):
    folder.segments[1]["id"] = 0
    folder.write()
    content, _ = folder.read()
    with pytest.raises(mask_rle.EmptyMaskError, match="segment 0"):
        draw(content.annotations[0], folder.root)


def test_a_png_of_another_size_is_refused(folder):
    folder.write()
    content, _ = folder.read()
    with pytest.raises(mask_rle.MaskError, match=r"has 9 x 14 px .* image 10 x 14"):
        draw(content.annotations[0], folder.root, height=10)


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_a_png_that_cannot_be_read_is_refused(folder, content):
    folder.write()
    found, _ = folder.read()
    path = folder.root / "annotations" / "panoptic_train" / "5.png"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(mask_rle.MaskError, match="cannot be decoded|no such file"):
        draw(found.annotations[0], folder.root)


def test_a_changed_png_is_read_again(folder):
    folder.write()
    content, _ = folder.read()
    before = draw(content.annotations[0], folder.root)
    masks = hand_drawn()
    masks["cat"][:] = False
    masks["cat"][5, 5] = True
    folder.png(masks)
    path = folder.root / "annotations" / "panoptic_train" / "5.png"
    times = path.stat()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    after = draw(content.annotations[0], folder.root)
    assert (before.sum(), after.sum()) == (18, 1)


def unlisted(folder):
    content, _ = folder.read()
    (image,) = content.images
    return list(panoptic.unlisted(image.listed_segments, folder.root, HEIGHT, WIDTH))


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([0, 1], "24 pixel(s) of {} have 1 colour(s) .* first is of segment 10242"),
        ([], "56 pixel(s) of {} have 3 colour(s) .* first is of segment 7"),
    ],
)
def test_colours_that_the_file_does_not_list_are_counted(folder, kept, message):
    folder.write()
    assert unlisted(folder) == []  # though most of the picture is void
    folder.segments = [folder.segments[index] for index in kept]
    folder.write()
    (told,) = unlisted(folder)
    escaped = message.format("annotations/panoptic_train/5.png").replace(
        "(s)", r"\(s\)"
    )
    assert re.fullmatch(escaped, told)


def test_segments_listed_in_two_rows_of_an_image_are_listed(folder):
    row = {"image_id": 5, "file_name": "5.png"}
    parts = [folder.segments[:1], folder.segments[1:]]
    folder.write(annotations=[{**row, "segments_info": part} for part in parts])
    assert unlisted(folder) == []


@pytest.mark.parametrize("content", [b"no picture", None])
def test_of_a_png_that_cannot_be_read_no_colour_is_told(folder, content):
    folder.segments = []
    folder.write()
    path = folder.root / "annotations" / "panoptic_train" / "5.png"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert unlisted(folder) == []


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
    reference = {"panoptic": {"file": name, "segment_id": 7}}
    with pytest.raises(mask_rle.MaskError, match="file_name"):
        panoptic.mask(reference, folder.root, HEIGHT, WIDTH)


def test_a_link_out_of_the_data_folder_always_stops(folder, tmp_path_factory):
    folder.write()
    content, _ = folder.read()
    path = folder.root / "annotations" / "panoptic_train" / "5.png"
    outside = tmp_path_factory.mktemp("outside") / "5.png"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(safe_paths.LeavesRootError, match="5.png: .* outside of"):
        draw(content.annotations[0], folder.root)
    (cat, _) = content.annotations
    planned = annotations.PlannedObject(1, CAT, "cat", 0, cat.segmentation)
    image = annotations.PlannedImage(5, "5.png", HEIGHT, WIDTH, [planned])
    log = problems.ProblemLog("report")
    assert examples.draw_objects(image, folder.root, "train/5.png", log) == []
    with pytest.raises(errors.CocoFormatError, match="annotation 1: .*copy it inside"):
        log.raise_errors()


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
    with pytest.raises(errors.CocoFormatError, match=message):
        folder.read()
