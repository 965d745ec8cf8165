import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.coco_example_gen import pictures

ORIENTATION = 0x0112


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, [6, 4, 3], np.uint8)


def load(path, height, width, max_pixels=10_000):
    return pictures.load(path, height, width, max_pixels)


def decode(picture):
    return tf.io.decode_image(picture.encoded, channels=3).numpy()


@pytest.mark.parametrize(
    ("name", "image_format"),
    [("a.jpg", "jpeg"), ("a.png", "png")],
)
def test_plain_jpeg_and_png_are_stored_byte_by_byte(
    tmp_path, pixels, name, image_format
):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    picture = load(path, 6, 4)
    assert picture.encoded == path.read_bytes()
    assert picture.image_format == image_format
    assert picture.notes == ()


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.jpg", "CMYK"),
        ("a.jpg", "L"),
        ("a.png", "L"),
        ("a.png", "RGBA"),
        ("a.png", "P"),
        ("a.png", "1"),
        ("a.png", "LA"),
        ("a.webp", "RGB"),
        ("a.bmp", "RGB"),
        ("a.tif", "RGB"),
        ("a.gif", "P"),
    ],
)
def test_other_forms_become_rgb_png(tmp_path, pixels, name, mode):
    path = tmp_path / name
    Image.fromarray(pixels).convert(mode).save(path)
    picture = load(path, 6, 4)
    assert picture.image_format == "png"
    assert [kind for kind, _ in picture.notes] == ["image_reencoded"]
    stored = Image.open(io.BytesIO(picture.encoded))
    assert (stored.format, stored.mode, stored.size) == ("PNG", "RGB", (4, 6))
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(decode(picture), expected)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    deep = np.arange(24, dtype=np.uint16).reshape(6, 4) * 2621  # up to 60283
    Image.fromarray(deep).save(tmp_path / "a.png")
    picture = load(tmp_path / "a.png", 6, 4)
    np.testing.assert_array_equal(decode(picture)[..., 0], deep // 256)


def test_a_png_named_jpg_is_stored_as_what_it_is(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.jpg", format="PNG")
    picture = load(tmp_path / "a.jpg", 6, 4)
    assert picture.image_format == "png"
    assert picture.notes == (("wrong_suffix", "is a png file in truth"),)


def save_turned(path, pixels, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif)


def test_an_exif_turn_that_explains_the_size_is_carried_out(tmp_path, pixels):
    save_turned(tmp_path / "a.png", pixels, 6)  # shown turned clockwise by 90 degrees
    picture = load(tmp_path / "a.png", 4, 6)
    np.testing.assert_array_equal(decode(picture), np.rot90(pixels, -1))
    assert [kind for kind, _ in picture.notes] == ["exif_turned", "image_reencoded"]


def test_an_exif_turn_that_contradicts_the_size_is_ignored(tmp_path, pixels):
    save_turned(tmp_path / "a.png", pixels, 6)
    picture = load(tmp_path / "a.png", 6, 4)
    assert picture.encoded == (tmp_path / "a.png").read_bytes()
    assert [kind for kind, _ in picture.notes] == ["exif_ignored"]


def test_a_size_that_nothing_explains_is_an_error(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(pictures.SizeMismatchError, match="say 5 x 6 .* has 4 x 6"):
        load(tmp_path / "a.png", 6, 5)


@pytest.mark.parametrize("kept_bytes", [0, 10, 300])
def test_truncated_images_are_broken(tmp_path, kept_bytes):
    noise = np.random.default_rng(0).integers(0, 256, [40, 40, 3], np.uint8)
    for name in ("a.jpg", "a.png"):
        path = tmp_path / name
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:kept_bytes])
        with pytest.raises(pictures.BrokenImageError, match="cannot be decoded"):
            load(path, 40, 40)
