import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from components.coco_example_gen.read import pictures

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


def test_a_png_named_jpg_is_stored_as_what_it_is(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.jpg", format="PNG")
    picture = load(tmp_path / "a.jpg", 6, 4)
    assert picture.image_format == "png"
    assert picture.notes == (("wrong_suffix", "is a png file in truth"),)


def save_turned(path, pixels, orientation, **options):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **options)


def test_an_exif_turn_that_explains_the_size_is_carried_out(tmp_path, pixels):
    save_turned(tmp_path / "a.png", pixels, 6)  # shown turned clockwise by 90 degrees
    picture = load(tmp_path / "a.png", 4, 6)
    np.testing.assert_array_equal(decode(picture), np.rot90(pixels, -1))
    assert [kind for kind, _ in picture.notes] == ["exif_turned", "image_reencoded"]


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_an_exif_turn_that_contradicts_the_size_is_ignored_and_forgotten(
    tmp_path, pixels, name
):
    save_turned(tmp_path / name, pixels, 6)
    picture = load(tmp_path / name, 6, 4)
    stored = Image.open(tmp_path / name)
    np.testing.assert_array_equal(decode(picture), np.asarray(stored))
    # A served model turns what says so.
    again = Image.open(io.BytesIO(picture.encoded)).getexif()
    assert again.get(ORIENTATION, 1) == 1
    assert [kind for kind, _ in picture.notes] == ["exif_ignored", "image_reencoded"]


def test_a_size_that_nothing_explains_is_an_error(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(pictures.SizeMismatchError, match="say 5 x 6 .* has 4 x 6"):
        load(tmp_path / "a.png", 6, 5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_every_exif_turn_is_that_of_pillow(tmp_path, pixels, name, orientation):
    save_turned(tmp_path / name, pixels, orientation, lossless=True)
    wanted = ImageOps.exif_transpose(Image.open(tmp_path / name)).convert("RGB")
    picture = load(tmp_path / name, wanted.height, wanted.width)
    np.testing.assert_array_equal(decode(picture), np.asarray(wanted))
    kinds = [kind for kind, _ in picture.notes]
    assert ("exif_turned" in kinds) == (orientation > 1)


def test_the_first_of_several_pictures_is_taken(tmp_path, pixels):
    frames = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    for name, options in (
        ("a.png", {}),
        ("a.tif", {}),
        ("a.webp", {"lossless": True}),
    ):
        path = tmp_path / name
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        picture = load(path, 6, 4)
        np.testing.assert_array_equal(decode(picture), pixels)
        kinds = [kind for kind, _ in picture.notes]
        assert kinds == ["several_frames", "image_reencoded"]


def png_chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def save_deep_png(path, pixels):
    """Writes uint16 [H, W, 3] as PNG, which Pillow cannot."""
    height, width, _ = pixels.shape
    rows = [b"\0" + row.astype(">u2").tobytes() for row in pixels]
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + png_chunk(b"IEND", b"")
    )


def test_colours_of_16_bits_are_stored_with_8(tmp_path, pixels):
    save_deep_png(tmp_path / "a.png", pixels.astype(np.uint16) * 256 + 77)
    picture = load(tmp_path / "a.png", 6, 4)
    assert [kind for kind, _ in picture.notes] == ["image_reencoded"]
    assert picture.encoded[24] == 8  # the header's bit depth
    np.testing.assert_array_equal(decode(picture), pixels)


def test_a_colour_that_stands_for_transparent_is_not_stored(tmp_path, pixels):
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path, transparency=tuple(map(int, pixels[0, 0])))
    picture = load(path, 6, 4)
    assert b"tRNS" in path.read_bytes() and b"tRNS" not in picture.encoded
    np.testing.assert_array_equal(decode(picture), pixels)


def test_nothing_but_the_pixels_is_stored_of_a_reencoded_picture(tmp_path, pixels):
    path = tmp_path / "a.webp"
    Image.fromarray(pixels).save(path, lossless=True, icc_profile=b"profile" * 20)
    encoded = load(path, 6, 4).encoded
    kinds = [encoded[at - 4 : at] for at in chunk_ends(encoded)]
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


def chunk_ends(png):
    """Where the names of a PNG's chunks end."""
    at = 8
    while at < len(png):
        yield at + 8
        at += 12 + int.from_bytes(png[at : at + 4], "big")


def test_a_picture_above_the_limit_is_not_decoded(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (300, 200)).save(path)
    assert load(path, 200, 300, max_pixels=60_000)
    path.write_bytes(path.read_bytes()[:-60])  # decoding would find it truncated
    with pytest.raises(pictures.OversizedImageError, match="has 300 x 200 px"):
        load(path, 200, 300, max_pixels=59_999)
    with path.open("ab") as file:
        file.truncate(16 * 100 + 1)
    with pytest.raises(pictures.OversizedImageError, match="has 1601 bytes"):
        load(path, 200, 300, max_pixels=100)


def test_postscript_is_never_run(tmp_path):
    path = tmp_path / "a.eps"
    Image.new("RGB", (4, 6)).save(path)
    with pytest.raises(pictures.BrokenImageError, match="no image format that is"):
        load(path, 6, 4)


@pytest.mark.parametrize("kept_bytes", [0, 10, 300])
def test_truncated_images_are_broken(tmp_path, kept_bytes):
    noise = np.random.default_rng(0).integers(0, 256, [40, 40, 3], np.uint8)
    for name in ("a.jpg", "a.png"):
        path = tmp_path / name
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:kept_bytes])
        with pytest.raises(pictures.BrokenImageError, match="cannot be decoded"):
            load(path, 40, 40)


def test_a_broken_png_is_found_though_it_is_read_twice(tmp_path, pixels):
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 12] ^= 0xFF  # inside of the compressed pixels
    path.write_bytes(content)
    with pytest.raises(pictures.BrokenImageError, match="cannot be decoded"):
        load(path, 6, 4)


@pytest.mark.parametrize(
    ("name", "missing"), [("a.png", 12), ("a.png", 16), ("a.jpg", 2)]
)
def test_what_only_pillow_takes_for_whole_is_reencoded(tmp_path, name, missing):
    # Of this noise, Pillow does not notice that the JPEG has no end.
    noise = np.random.default_rng(17).integers(0, 256, [160, 120, 3], np.uint8)
    path = tmp_path / name
    Image.fromarray(noise).save(path, quality=95, subsampling=0)
    pixels = np.asarray(Image.open(path))
    path.write_bytes(path.read_bytes()[:-missing])  # IEND, a check sum, a JPEG's end
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_image(path.read_bytes())
    picture = load(path, 160, 120, max_pixels=20_000)
    assert picture.image_format == "png"
    np.testing.assert_array_equal(decode(picture), pixels)
