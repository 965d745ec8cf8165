import base64
import json
import os
import pathlib

import msgspec
import numpy as np
import pytest
from PIL import Image

from components.coco_example_gen import (
    labelme,
    labelme_pictures,
    layouts,
    pictures,
    problems,
)

HEIGHT, WIDTH = 16, 12
SQUARE = {"label": "square", "points": [[2, 3], [6, 8]], "shape_type": "rectangle"}
POLYGON = [[2, 3, 6, 3, 6, 8, 2, 8]]


class LabelMeFolder:
    """Writes pictures and the files that LabelMe saves beside them."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        root.mkdir()

    def picture(self, place: str, height=HEIGHT, width=WIDTH, **save) -> bytes:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full([height, width, 3], 90, np.uint8)).save(path, **save)
        return path.read_bytes()

    def file(self, place: str, **changes) -> dict:
        """A LabelMe file; its picture is named like it unless `changes` say."""
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": [SQUARE],
            "imagePath": path.with_suffix(".png").name,
            "imageData": None,
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
            **changes,
        }
        content = {key: value for key, value in content.items() if value != "absent"}
        path.write_text(json.dumps(content))
        return content

    def pair(self, name: str, **changes) -> None:
        self.picture(f"{name}.png")
        self.file(f"{name}.json", **changes)

    def read(self, label_pattern=None):
        layout = layouts.detect(self.root)
        assert layout.name == "labelme"
        log = problems.ProblemLog()
        return labelme.read(layout, label_pattern, log), log


@pytest.fixture
def folder(tmp_path):
    return LabelMeFolder(tmp_path / "data")


def told(log):
    return [(each.kind, each.file, each.message) for each in log.examples]


def files(content):
    return {image.id: image.file_name for image in content.images}


def test_ids_follow_paths_and_names(folder):
    bus = {**SQUARE, "label": "bus "}
    folder.pair("b")
    folder.pair("a/z", shapes=[SQUARE, bus])
    folder.pair("c", shapes=[])
    contents, log = folder.read()
    content = contents["train"]
    assert list(contents) == ["train"]
    assert files(content) == {1: "a/z.png", 2: "b.png", 3: "c.png"}
    assert {c.id: c.name for c in content.categories} == {1: "bus", 2: "square"}
    assert [(a.id, a.image_id, a.category_id) for a in content.annotations] == [
        (1, 1, 2),
        (2, 1, 1),
        (3, 2, 2),
    ]
    assert msgspec.json.decode(content.annotations[0].segmentation) == POLYGON
    assert told(log) == []


def test_split_folders_share_ids_of_images_and_classes(folder):
    folder.pair("train/1")
    folder.pair("val/1", shapes=[{**SQUARE, "label": "bus"}])
    folder.pair("elsewhere/1")
    folder.file("loose.json")
    layout = layouts.detect(folder.root)
    assert layout.ignored == (
        "elsewhere/ is not used",
        "1 JSON file(s) beside the split folders are not used, the first is loose.json",
    )
    contents, _ = folder.read()
    assert files(contents["train"]) == {1: "train/1.png"}
    assert files(contents["eval"]) == {2: "val/1.png"}
    assert [c.id for c in contents["train"].categories] == [2]
    assert [c.id for c in contents["eval"].categories] == [1]
    assert [a.id for s in contents.values() for a in s.annotations] == [1, 2]


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("../images/1.png", "images/1.png"),
        ("..\\images\\1.png", "images/1.png"),
        ("./../images/./1.png", "images/1.png"),
        ("..\\labels\\1.png", "labels/1.png"),
    ],
)
def test_a_path_is_resolved_as_long_as_it_stays_inside(folder, written, place):
    folder.picture(place)
    folder.file("labels/1.json", imagePath=written)
    contents, log = folder.read()
    assert files(contents["train"]) == {1: place}
    assert told(log) == []


@pytest.mark.parametrize(
    "written",
    [
        "../../secret.png",
        "..\\..\\secret.png",
        "/etc/passwd",
        "C:\\secret.png",
        "..",
        "https://host/secret.png",
        "images/../../../secret.png",
        "a\0.png",
    ],
)
def test_a_path_that_leaves_the_data_folder_is_refused(folder, written):
    folder.picture("../secret.png")
    folder.file("labels/1.json", imagePath=written)
    contents, log = folder.read()
    assert contents["train"].images == []
    if written == "..":  # the data folder itself is no picture
        assert [each.kind for each in log.examples] == ["missing_image"]
        return
    assert [each.kind for each in log.examples] == ["unsafe_path"]
    assert repr(written) in log.examples[0].message
    assert log.stops_at("unsafe_path")


def test_links_that_leave_the_data_folder_are_refused(folder):
    folder.picture("../secret.png")
    folder.file("../secret.json")
    folder.file("1.json")
    (folder.root / "1.png").symlink_to(folder.root.parent / "secret.png")
    (folder.root / "2.json").symlink_to(folder.root.parent / "secret.json")
    contents, log = folder.read()
    assert contents["train"].images == []
    assert [each.kind for each in log.examples] == ["unsafe_path", "unsafe_path"]


def test_a_picture_inside_the_file_needs_no_path(folder):
    content = folder.picture("../elsewhere.png")
    data = base64.b64encode(content).decode()
    folder.file("1.json", imageData=data, imagePath="..\\..\\elsewhere.png")
    folder.file("2.json", imageData=data, imagePath="photo.png")
    contents, log = folder.read()
    first, second = contents["train"].images
    assert (first.embedded_in, second.embedded_in) == ("1.json", "2.json")
    assert (first.file_name, second.file_name) == ("1.json", "photo.png")
    assert (first.height, first.width) == (HEIGHT, WIDTH)
    assert labelme_pictures.embedded(folder.root / "1.json") == content
    assert told(log) == []


@pytest.mark.parametrize("data", ["no base64!", "AAA", 12, {"a": 1}])
def test_rubbish_inside_the_file_is_a_broken_image(folder, data):
    folder.pair("1", imageData=data)
    contents, log = folder.read()
    assert contents["train"].images == []
    ((kind, file, message),) = told(log)
    assert (kind, file) == ("broken_image", "1.json")
    assert message.startswith("imageData is not base64")
    with pytest.raises(pictures.BrokenImageError, match="imageData is not base64"):
        labelme_pictures.embedded(folder.root / "1.json")


def test_bytes_that_are_no_picture_are_a_broken_image(folder):
    folder.file("1.json", imageData=base64.b64encode(b"plain text").decode())
    folder.file("2.json")
    (folder.root / "2.png").write_bytes(b"")
    folder.file("3.json")
    _, log = folder.read()
    kinds = [(each.kind, each.file) for each in log.examples]
    assert kinds == [
        ("broken_image", "1.json"),
        ("broken_image", "2.json"),
        ("missing_image", "3.json"),
    ]


@pytest.mark.parametrize(
    ("height", "width", "problem"),
    [
        ("absent", "absent", None),
        (None, None, None),
        (HEIGHT, None, "are 16 and None, the picture has 16 x 12"),
        (WIDTH, HEIGHT, "are 12 and 16"),
        ("16", "12", "are '16' and '12'"),
        (-1, 0, "are -1 and 0"),
    ],
)
def test_the_size_is_that_of_the_picture(folder, height, width, problem):
    folder.pair("1", imageHeight=height, imageWidth=width)
    contents, log = folder.read()
    (image,) = contents["train"].images
    assert (image.height, image.width) == (HEIGHT, WIDTH)
    if problem is None:
        assert told(log) == []
    else:
        ((kind, _, message),) = told(log)
        assert kind == "labelme_size"
        assert problem in message


def test_a_turned_picture_has_the_size_it_was_annotated_with(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, height, width in (("1", WIDTH, HEIGHT), ("2", HEIGHT, WIDTH)):
        folder.picture(f"{name}.jpg", exif=exif)
        folder.file(
            f"{name}.json",
            imagePath=f"{name}.jpg",
            imageHeight=height,
            imageWidth=width,
        )
    folder.picture("3.jpg", exif=exif)
    folder.file("3.json", imagePath="3.jpg", imageHeight=None, imageWidth=None)
    contents, log = folder.read()
    sizes = [(image.height, image.width) for image in contents["train"].images]
    assert sizes == [(WIDTH, HEIGHT), (HEIGHT, WIDTH), (WIDTH, HEIGHT)]
    assert told(log) == []


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
    assert files(contents["train"]) == {1: "1.png"}
    ((kind, file, reason),) = told(log)
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
    ((found, file, reason),) = told(log)
    assert (found, file) == (kind, "2.json")
    assert "utf-8" in reason


def test_versions_beyond_the_known_ones_are_read_and_told(folder):
    folder.pair("1", version="3.16.7")
    folder.pair("2", version="6.0.0")
    folder.pair("3", version="absent")
    contents, log = folder.read()
    assert len(contents["train"].annotations) == 3
    assert [(kind, file) for kind, file, _ in told(log)] == [
        ("unknown_labelme_version", "2.json"),
        ("unknown_labelme_version", "3.json"),
    ]


def test_shapes_left_out_are_told_with_their_file(folder):
    point = {"label": "square", "points": [[1, 1]], "shape_type": "point"}
    folder.pair("1", shapes=[SQUARE, point])
    _, log = folder.read()
    assert told(log) == [
        ("shape_without_area", "1.json", "shapes[1] 'square': a point covers no pixels")
    ]
    assert log.examples[0].image_id == 1


def test_pictures_without_a_file_are_told(folder):
    folder.pair("1")
    folder.picture("2.png")
    (folder.root / "notes.txt").write_text("none")
    contents, log = folder.read()
    assert len(contents["train"].images) == 1
    assert [(kind, file) for kind, file, _ in told(log)] == [
        ("picture_not_annotated", "2.png")
    ]


def test_a_byte_order_mark_is_passed_over(folder):
    folder.pair("1")
    path = folder.root / "1.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    contents, log = folder.read()
    assert len(contents["train"].annotations) == 1
    assert told(log) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_told(folder):
    folder.pair("1")
    folder.pair("2")
    (folder.root / "2.json").chmod(0)
    _, log = folder.read()
    assert [(kind, file) for kind, file, _ in told(log)][0] == (
        "broken_labelme_file",
        "2.json",
    )
