"""Every fault of image files: the verdict, the report's entry, what is stored."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from foundation import errors
from model.examples import features

NAMES = {"JPEG": "1.jpg", "PNG": "1.png", "TIFF": "1.tif", "WEBP": "1.webp"}
ORIENTATION = 0x0112


def entry_of(ingested, kind):
    (entry,) = [row for row in ingested.occurrences if row["kind"] == kind]
    assert ingested.problems["counts"][kind] == 1
    return entry


def with_image(folder, name, **size):
    """A train split of a good image and of one whose file is the test's to make."""
    folder.image("train/3.png")
    entries = [folder.entry(3, "3.png"), folder.entry(1, name, **size)]
    boxes = [folder.annotation(3, id=30), folder.annotation(1, id=10)]
    folder.train_and_eval(entries, boxes)
    return folder.root / "train" / name


def truncate(path):
    noise = np.random.default_rng(0).integers(0, 256, [16, 12, 3], np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("name", "make", "kind", "message"),
    [
        ("1.png", lambda path: None, "missing_image", "no such file in train/, ./"),
        ("1.png", lambda path: path.mkdir(), "missing_image", "no such file"),
        ("1" * 999, lambda path: None, "missing_image", "no such file"),
        ("1.png", lambda path: path.touch(), "broken_image", "no image format"),
        ("1.png", truncate, "broken_image", "cannot be decoded: "),
        ("1.jpg", truncate, "broken_image", "cannot be decoded: "),
        ("1.jpg", lambda p: p.write_text("%!PS-Adobe"), "broken_image", "no image for"),
        (
            "1.tif",
            lambda p: Image.fromarray(np.ones([16, 12], np.float32)).save(p),
            "broken_image",
            "floating-point",
        ),
    ],
)
def test_missing_and_broken_images_are_dropped(
    coco_folder, ingest, name, make, kind, message
):
    make(with_image(coco_folder, name))
    ingested = ingest(coco_folder.root)
    entry = entry_of(ingested, kind)
    assert (entry["severity"], entry["image_id"]) == ("dropped", 1)
    assert entry["action"] == "image left out"
    assert entry["file"].endswith(name) and message in entry["message"]
    assert "0x" not in entry["message"]  # an address differs from run to run
    (example,) = ingested.examples("train")
    assert example[features.IMAGE_ID] == 3
    with pytest.raises(errors.CocoFormatError, match="on_problem is strict"):
        ingest(coco_folder.root, on_problem="strict")


@pytest.mark.parametrize(
    ("name", "mode", "kinds"),
    [
        ("1.png", "RGBA", {"image_reencoded"}),
        ("1.png", "L", {"image_reencoded"}),
        ("1.jpg", "L", {"image_reencoded"}),
        ("1.jpg", "CMYK", {"image_reencoded"}),
        ("1.webp", "RGB", {"image_reencoded"}),
        ("1.bmp", "RGB", {"image_reencoded"}),
        ("1.tif", "RGB", {"image_reencoded"}),
    ],
)
def test_other_forms_reach_the_record_as_rgb_png(
    coco_folder, ingest, name, mode, kinds
):
    with_image(coco_folder, name)
    coco_folder.image(f"train/{name}", mode=mode)
    ingested = ingest(coco_folder.root)
    assert set(ingested.problems["counts"]) == kinds
    assert entry_of(ingested, "image_reencoded")["severity"] == "repaired"
    example = ingested.examples("train")[0]
    assert example[features.IMAGE_FORMAT] == b"png"
    stored = tf.io.decode_png(example[features.IMAGE_ENCODED], channels=0)
    wanted = Image.open(coco_folder.root / "train" / name).convert("RGB")
    np.testing.assert_array_equal(stored, wanted)


def test_a_png_named_jpg_is_stored_as_it_is(coco_folder, ingest):
    path = with_image(coco_folder, "1.jpg")
    coco_folder.image("train/1.jpg", format="PNG")
    ingested = ingest(coco_folder.root, on_problem="strict")
    assert entry_of(ingested, "wrong_suffix")["severity"] == "noted"
    example = ingested.examples("train")[0]
    assert example[features.IMAGE_ENCODED] == path.read_bytes()
    assert example[features.IMAGE_FORMAT] == b"png"


@pytest.mark.parametrize(
    ("orientation", "size", "kind"),
    [(6, (12, 16), "exif_turned"), (6, (16, 12), "exif_ignored")],
)
def test_an_exif_turn_is_followed_when_it_explains_the_size(
    coco_folder, ingest, orientation, size, kind
):
    path = with_image(coco_folder, "1.png", height=size[0], width=size[1])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    coco_folder.image("train/1.png", exif=exif)
    ingested = ingest(coco_folder.root)
    assert entry_of(ingested, kind)["image_id"] == 1
    example = ingested.examples("train")[0]
    pixels = tf.io.decode_png(example[features.IMAGE_ENCODED]).numpy()
    upright = np.asarray(Image.open(path))
    turned = np.rot90(upright, -1)  # clockwise, as viewers show orientation 6
    np.testing.assert_array_equal(pixels, turned if kind == "exif_turned" else upright)
    assert (example[features.IMAGE_HEIGHT], example[features.IMAGE_WIDTH]) == size


def test_another_size_than_the_annotated_stops_or_drops(coco_folder, ingest):
    with_image(coco_folder, "1.png")
    coco_folder.image("train/1.png", height=10, width=12)
    told = r"train/1.png, image 1: .* say 12 x 16 px .* has 12 x 10"
    with pytest.raises(errors.CocoFormatError, match=told):
        ingest(coco_folder.root)
    ingested = ingest(coco_folder.root, on_problem="report")
    assert entry_of(ingested, "size_mismatch")["action"] == "image left out"
    assert [e[features.IMAGE_ID] for e in ingested.examples("train")] == [3]


@pytest.mark.parametrize("annotated", [16, 4000])
def test_a_bomb_is_dropped_before_it_is_decoded(coco_folder, ingest, annotated):
    path = with_image(coco_folder, "1.png", height=annotated, width=annotated)
    Image.new("RGB", (4000, 4000)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:-200])  # decoding would say that it is truncated
    ingested = ingest(coco_folder.root, max_pixels=15_999_999)
    entry = entry_of(ingested, "oversized_image")
    assert (entry["severity"], entry["image_id"]) == ("dropped", 1)
    assert "4000 x 4000 px, wanted at most 15999999 pixels" in entry["message"]
    assert [e[features.IMAGE_ID] for e in ingested.examples("train")] == [3]


@pytest.mark.parametrize("mode", ["strict", "repair", "report"])
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_link_out_of_the_root_always_stops(coco_folder, ingest, mode, is_folder):
    coco_folder.two_splits()
    inside = coco_folder.root / "train" / ("" if is_folder else "1.png")
    outside = coco_folder.root.parent / "outside"
    inside.rename(outside)
    inside.symlink_to(outside)
    with pytest.raises(errors.CocoFormatError, match="1.png, image 1: links to /.*out"):
        ingest(coco_folder.root, on_problem=mode)


def test_a_link_inside_the_root_is_fine(coco_folder, ingest):
    coco_folder.two_splits()
    inside = coco_folder.root / "train" / "1.png"
    inside.rename(coco_folder.root / "stored.png")
    inside.symlink_to(coco_folder.root / "stored.png")
    assert len(ingest(coco_folder.root).records("train")) == 1


def test_names_with_backslashes_are_found(coco_folder, ingest):
    coco_folder.image("train/deep/1.png")
    entries = [coco_folder.entry(1, "deep\\1.png")]
    coco_folder.train_and_eval(entries, [coco_folder.annotation(1)])
    ingested = ingest(coco_folder.root)
    assert entry_of(ingested, "windows_separator")["severity"] == "noted"
    (example,) = ingested.examples("train")
    assert example[features.IMAGE_FILENAME] == b"train/deep/1.png"


def test_nothing_left_is_an_error_that_says_why(coco_folder, ingest):
    coco_folder.two_splits()
    (coco_folder.root / "val" / "2.png").unlink()
    with pytest.raises(
        errors.CocoFormatError, match="instances_val.json: not one image .* eval split"
    ) as refused:
        ingest(coco_folder.root)
    assert "2.png, image 2: no such file" in str(refused.value)
