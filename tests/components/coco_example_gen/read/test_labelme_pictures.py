import base64

import labelme_folder
import pytest
from PIL import Image

from components.coco_example_gen.read import labelme_pictures, pictures


@pytest.fixture
def folder(tmp_path):
    return labelme_folder.LabelMeFolder(tmp_path / "data")


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
    assert labelme_folder.files(contents["train"]) == {1: place}
    assert labelme_folder.told(log) == []


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


def test_a_very_long_path_that_climbs_out_is_told_with_the_reason():
    with pytest.raises(ValueError, match=r"p+\.png' leads out of .* move the") as told:
        labelme_pictures.place_below("a", f"../../{'p' * 100_000}.png")
    assert len(str(told.value)) < 400


def test_a_picture_inside_the_file_needs_no_path(folder):
    content = folder.picture("../elsewhere.png")
    data = base64.b64encode(content).decode()
    folder.file("1.json", imageData=data, imagePath="..\\..\\elsewhere.png")
    folder.file("2.json", imageData=data, imagePath="photo.png")
    contents, log = folder.read()
    first, second = contents["train"].images
    assert (first.embedded_in, second.embedded_in) == ("1.json", "2.json")
    assert (first.file_name, second.file_name) == ("1.json", "photo.png")
    assert (first.height, first.width) == (labelme_folder.HEIGHT, labelme_folder.WIDTH)
    assert labelme_pictures.embedded(folder.root / "1.json") == content
    assert labelme_folder.told(log) == []


@pytest.mark.parametrize("data", ["no base64!", "AAA", 12, {"a": 1}])
def test_rubbish_inside_the_file_is_a_broken_image(folder, data):
    folder.pair("1", imageData=data)
    contents, log = folder.read()
    assert contents["train"].images == []
    ((kind, file, message),) = labelme_folder.told(log)
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
        (float(labelme_folder.HEIGHT), float(labelme_folder.WIDTH), None),
        (labelme_folder.HEIGHT, None, "are 16 and None, the picture has 16 x 12"),
        (labelme_folder.WIDTH, labelme_folder.HEIGHT, "are 12 and 16"),
        ("16", "12", "are '16' and '12'"),
        (-1, 0, "are -1 and 0"),
    ],
)
def test_the_size_is_that_of_the_picture(folder, height, width, problem):
    folder.pair("1", imageHeight=height, imageWidth=width)
    contents, log = folder.read()
    (image,) = contents["train"].images
    assert (image.height, image.width) == (labelme_folder.HEIGHT, labelme_folder.WIDTH)
    assert {type(image.height), type(image.width)} == {int}  # not 16.0
    if problem is None:
        assert labelme_folder.told(log) == []
    else:
        ((kind, _, message),) = labelme_folder.told(log)
        assert kind == "labelme_size"
        assert problem in message


def test_a_turned_picture_has_the_size_it_was_annotated_with(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, height, width in (
        ("1", labelme_folder.WIDTH, labelme_folder.HEIGHT),
        ("2", labelme_folder.HEIGHT, labelme_folder.WIDTH),
    ):
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
    assert sizes == [
        (labelme_folder.WIDTH, labelme_folder.HEIGHT),
        (labelme_folder.HEIGHT, labelme_folder.WIDTH),
        (labelme_folder.WIDTH, labelme_folder.HEIGHT),
    ]
    assert labelme_folder.told(log) == []


def test_a_picture_of_too_many_pixels_is_left_out_before_masks_are_drawn(folder):
    folder.pair("1", shapes=[labelme_folder.SQUARE] * 3)
    contents, log = folder.read(max_pixels=labelme_folder.HEIGHT * labelme_folder.WIDTH)
    assert len(contents["train"].annotations) == 3
    contents, log = folder.read(
        max_pixels=labelme_folder.HEIGHT * labelme_folder.WIDTH - 1
    )
    assert contents["train"].images == []
    message = "1.png: has 12 x 16 px, wanted at most 191 pixels (data.max_pixels)"
    assert labelme_folder.told(log) == [("oversized_image", "1.json", message)]


def test_pictures_without_a_file_are_told(folder):
    folder.pair("1")
    folder.picture("2.png")
    (folder.root / "notes.txt").write_text("none")
    contents, log = folder.read()
    assert len(contents["train"].images) == 1
    assert [(kind, file) for kind, file, _ in labelme_folder.told(log)] == [
        ("picture_not_annotated", "2.png")
    ]
