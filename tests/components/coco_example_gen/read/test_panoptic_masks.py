import os
import re

import msgspec
import numpy as np
import pytest
from panoptic_folder import CAT, HEIGHT, WIDTH, PanopticFolder, hand_drawn

from components.coco_example_gen import problems, safe_paths
from components.coco_example_gen.read import annotations, panoptic_masks
from components.coco_example_gen.write import examples
from foundation import errors
from model.examples import mask_rle


@pytest.fixture
def folder(tmp_path):
    return PanopticFolder(tmp_path)


def draw(annotation, root, height=HEIGHT, width=WIDTH):
    decoded = msgspec.json.decode(annotation.segmentation)
    return panoptic_masks.mask(decoded, root, height, width)


def test_a_mask_is_the_pixels_of_the_colour_of_its_segment(folder):
    folder.write()
    content, _ = folder.read()
    cat, crowd = content.annotations
    expected = hand_drawn()
    np.testing.assert_array_equal(draw(cat, folder.root), expected["cat"])
    np.testing.assert_array_equal(draw(crowd, folder.root), expected["crowd"])


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
    path = folder.segment_png
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
    path = folder.segment_png
    times = path.stat()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    after = draw(content.annotations[0], folder.root)
    assert (before.sum(), after.sum()) == (18, 1)


@pytest.mark.parametrize("name", ["../5.png", "/etc/passwd", "C:\\5.png"])
def test_a_reference_that_leads_elsewhere_is_not_followed(folder, name):
    reference = {"panoptic": {"file": name, "segment_id": 7}}
    with pytest.raises(mask_rle.MaskError, match="file_name"):
        panoptic_masks.mask(reference, folder.root, HEIGHT, WIDTH)


def test_a_link_out_of_the_data_folder_always_stops(folder, tmp_path_factory):
    folder.write()
    content, _ = folder.read()
    path = folder.segment_png
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


def faults(folder):
    content, _ = folder.read()
    (image,) = content.images
    objects = [
        annotations.PlannedObject(a.id, a.category_id, "", 0, a.segmentation)
        for a in content.annotations
    ]
    planned = annotations.PlannedImage(
        5, "5.png", HEIGHT, WIDTH, objects, listed_segments=image.listed_segments
    )
    return list(panoptic_masks.faults(planned, folder.root))


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([0, 1], "24 pixel(s) of {} have 1 colour(s) .* first is of segment 10242"),
        ([], "56 pixel(s) of {} have 3 colour(s) .* first is of segment 7"),
    ],
)
def test_colours_that_the_file_does_not_list_are_counted(folder, kept, message):
    folder.write()
    assert faults(folder) == []  # though most of the picture is void
    folder.segments = [folder.segments[index] for index in kept]
    folder.write()
    ((kind, told),) = faults(folder)
    assert kind == "unlisted_segment"
    escaped = message.format("annotations/panoptic_train/5.png").replace(
        "(s)", r"\(s\)"
    )
    assert re.fullmatch(escaped, told)


def test_segments_listed_in_two_rows_of_an_image_are_listed(folder):
    row = {"image_id": 5, "file_name": "5.png"}
    parts = [folder.segments[:1], folder.segments[1:]]
    folder.write(annotations=[{**row, "segments_info": part} for part in parts])
    assert faults(folder) == []


BROKEN = {b"no picture": "cannot be decoded", None: "no such file of segments"}


@pytest.mark.parametrize(("content", "message"), BROKEN.items())
def test_a_png_that_cannot_be_read_is_told_of_an_image_without_things(
    folder, content, message
):
    folder.segments = folder.segments[:1]  # the sky
    folder.write()
    assert [kind for kind, _ in faults(folder)] == ["unlisted_segment"]
    folder.segment_png.unlink()
    if content is not None:
        folder.segment_png.write_bytes(content)
    ((kind, told),) = faults(folder)
    assert kind == "bad_segmentation"
    assert "5.png: " in told and message in told


def test_a_png_that_cannot_be_read_is_not_told_again_beside_its_objects(folder):
    row = {"image_id": 5, "file_name": "5.png", "segments_info": folder.segments}
    other = {**row, "file_name": "sky.png", "segments_info": []}
    folder.write(annotations=[row, other])
    folder.segment_png.unlink()
    assert faults(folder) == [
        (
            "bad_segmentation",
            "annotations/panoptic_train/sky.png: no such file of segments",
        )
    ]


def test_a_link_out_of_the_data_folder_is_told_without_things_too(
    folder, tmp_path_factory
):
    folder.segments = folder.segments[:1]
    folder.write()
    outside = tmp_path_factory.mktemp("outside") / "5.png"
    folder.segment_png.rename(outside)
    folder.segment_png.symlink_to(outside)
    ((kind, told),) = faults(folder)
    assert kind == "unsafe_path" and "outside of" in told
