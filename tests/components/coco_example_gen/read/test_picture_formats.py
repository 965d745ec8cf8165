import io

import made
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageChops

from components.coco_example_gen.read import picture_formats


def test_pictures_of_every_format_are_known_by_their_head():
    for name in picture_formats.READ:
        head = made.encoded(Image.new("RGB", (5, 4)), name)[
            : picture_formats.HEAD_BYTES
        ]
        assert picture_formats.begins_like_picture(head), name
    for text in (b"", b"a note", b"{}", b"# read me", b"0 0.5 0.5 0.1 0.1\n"):
        assert not picture_formats.begins_like_picture(text)


def test_what_would_be_run_to_be_read_is_no_picture():
    head = made.encoded(Image.new("RGB", (5, 4)), "EPS")[: picture_formats.HEAD_BYTES]
    assert head.startswith(b"%!PS")
    assert not picture_formats.begins_like_picture(head)


def test_every_suffix_is_that_of_a_format_that_is_read():
    Image.init()
    for suffix in picture_formats.SUFFIXES:
        assert suffix == suffix.lower()
        name = Image.registered_extensions()[suffix]
        assert {"MPO": "JPEG"}.get(name, name) in picture_formats.READ, suffix


@pytest.mark.parametrize(
    "options",
    [
        {"name": "JPEG", "quality": 80},
        {"name": "JPEG", "progressive": True, "subsampling": 0},
        {"name": "JPEG", "optimize": True, "comment": b"\xff\xd9" * 9},
        {"name": "JPEG", "icc_profile": b"profile" * 20_000},  # of several segments
        {"name": "PNG"},
        {"name": "PNG", "compress_level": 0},
        {"name": "PNG", "dpi": (72, 72), "icc_profile": b"profile" * 20},
    ],
)
def test_plain_pictures_are_those_that_both_decoders_read_alike(options):
    content = made.encoded(made.PIXELS, **options)
    assert made.plain_format(content) == options["name"].lower()
    found = made.by_tensorflow(content).astype(int)
    # Of JPEG, TensorFlow takes a faster inverse transform.
    slack = 4 if options["name"] == "JPEG" else 0
    assert np.abs(found - made.by_pillow(content)).max() <= slack


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("PNG", ("1", "L", "LA", "P", "RGBA", "I;16")),
        ("JPEG", ("L", "CMYK")),
        *((name, ("RGB",)) for name in ("BMP", "GIF", "PPM", "TIFF", "WEBP")),
    ],
)
def test_other_channels_and_formats_are_not_plain(name, modes):
    for mode in modes:
        assert made.plain_format(made.encoded(Image.new(mode, (4, 6)), name)) is None


@pytest.mark.parametrize("progressive", [True, False])
def test_a_jpeg_of_an_unusual_frame_is_not_plain(progressive):
    content = made.encoded(made.PIXELS, "JPEG", progressive=progressive)
    image = Image.open(io.BytesIO(content))
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    usual = (0xC2,) if progressive else (0xC0, 0xC1)
    for marker in (*usual, 0xC3, 0xC5, 0xC9, 0xCA):
        plain = "jpeg" if marker in usual else None
        changed = content[:at] + bytes([0xFF, marker]) + content[at + 2 :]
        assert picture_formats.plain_format(image, changed) == plain
        padded = content[:at] + bytes([0xFF, 0xFF, 0xFF, marker]) + content[at + 2 :]
        assert picture_formats.plain_format(image, padded) == plain


@pytest.mark.parametrize(("name", "missing"), [("PNG", 12), ("PNG", 16), ("JPEG", 2)])
def test_what_only_pillow_takes_for_whole_is_not_plain(name, missing):
    # Of this noise, Pillow does not notice that the JPEG has no end.
    noise = np.random.default_rng(17).integers(0, 256, [160, 120, 3], np.uint8)
    options = {"quality": 95, "subsampling": 0} if name == "JPEG" else {}
    content = made.encoded(noise, name, **options)
    assert made.plain_format(content) == name.lower()
    cut = content[:-missing]  # IEND, a check sum, a JPEG's end
    with pytest.raises(tf.errors.InvalidArgumentError):
        made.by_tensorflow(cut)
    assert made.plain_format(cut) is None


@pytest.mark.parametrize("marker", [b"\xff\xe0\x7f\xff", b"\xff\xc4\0\4ab"])
def test_a_part_in_the_middle_of_the_pixels_makes_a_jpeg_not_plain(marker):
    """Pillow may fill up the rest and stop; TensorFlow reads the part and fails."""
    content = made.encoded(made.PIXELS, "JPEG", quality=95)
    image = Image.open(io.BytesIO(content))
    at = (content.index(b"\xff\xda") + len(content)) // 2
    broken = content[:at] + marker + content[at + len(marker) :]
    with pytest.raises(tf.errors.InvalidArgumentError):
        made.by_tensorflow(broken)
    assert picture_formats.plain_format(image, broken) is None
    sound = content[:at] + b"\xff\0" + content[at + 2 :]  # a byte of the code itself
    assert picture_formats.plain_format(image, sound) == "jpeg"
    assert made.by_tensorflow(sound).shape == made.PIXELS.shape


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize(
    "behind",
    [
        *(made.segment(marker) for marker in (*range(0xE0, 0xF0), 0xFE)),
        made.segment(0xFE, b""),
        b"\xff" + made.segment(0xFE, b"\xff\xd8\xff\xc4\xff\xd9") + b"\xff\xff",
        90 * made.segment(0xE2),
        900 * made.segment(0xFE),
    ],
)
def test_parts_behind_the_pixels_leave_a_jpeg_plain(behind, options):
    whole = made.encoded(made.PIXELS, "JPEG", quality=90, **options)
    content = whole[:-2] + behind + whole[-2:]
    assert made.plain_format(content) == "jpeg"
    np.testing.assert_array_equal(
        made.by_tensorflow(content), made.by_tensorflow(whole)
    )


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        (made.segment(0xC4), "a part of kind c4 behind its pixels"),
        (
            made.segment(0xFE) + made.segment(0xDA),
            "a part of kind da behind its pixels",
        ),
        (made.segment(0xFE) + b"rubbish", "rubbish between its parts"),
        (b"\xff\xfe\x7f\xff", "no end marker, a part that is cut"),
        (b"\xff\xfe\0\0", "no end marker, a part that is cut"),
        (1001 * made.segment(0xFE), "a thousand"),
    ],
)
def test_other_parts_behind_the_pixels_make_a_jpeg_not_plain(behind, reason):
    whole = made.encoded(made.PIXELS, "JPEG")
    content = whole[:-2] + behind + whole[-2:]
    image = Image.open(io.BytesIO(whole))
    assert reason in picture_formats.why_not_plain(image, content)
    assert picture_formats.plain_format(image, content) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (made.encoded(made.PIXELS), None),
        (made.encoded(made.PIXELS, "JPEG"), None),
        (made.encoded(made.PIXELS, "WEBP"), "is neither JPEG nor PNG"),
        (made.encoded(made.PIXELS[..., 0], "JPEG"), "is not 8-bit RGB"),
        (made.encoded(made.PIXELS, transparency=(1, 2, 3)), "has a transparent colour"),
        (
            made.PNG_HEAD + made.IHDR + made.IDAT + made.IEND[:-1] + b"a",
            "a check sum is wrong",
        ),
        (made.PNG_HEAD + made.IHDR + made.IDAT, "has no end"),
        (made.png(6, 4, bytes(6 * 13 - 1)), "has fewer or more rows than it says"),
        (made.png(6, 4, bytes(6 * 13))[:-20] + bytes(20), "a check sum is wrong"),
        (made.png(1, 1, bytes(4), interlace=1), "is interlaced or not 8-bit RGB"),
    ],
)
def test_why_a_picture_is_not_plain_is_told(content, reason):
    found = picture_formats.why_not_plain(Image.open(io.BytesIO(content)), content)
    assert found is None if reason is None else reason in found


def test_sixteen_bits_are_scaled_not_clipped():
    deep = np.arange(24, dtype=np.uint16).reshape(6, 4) * 2849  # up to 65527
    found = picture_formats.to_rgb(Image.fromarray(deep))
    assert found.mode == "RGB"
    wanted = np.repeat((deep // 256)[..., None], 3, axis=-1)
    np.testing.assert_array_equal(np.asarray(found), wanted)


def test_numbers_beyond_16_bits_are_clipped_to_them():
    wide = np.array([[-5, 0, 255], [256, 65535, 70000]], np.int32)
    found = np.asarray(picture_formats.to_rgb(Image.fromarray(wide)))
    assert found[..., 0].tolist() == [[0, 0, 0], [1, 255, 255]]


@pytest.mark.parametrize("marked", [True, False])
def test_cmyk_is_inverted_only_where_adobe_says_so(marked):
    red = np.full([16, 16, 3], (200, 30, 40), np.uint8)
    cmyk = Image.fromarray(red).convert("CMYK")
    content = made.encoded(
        cmyk if marked else ImageChops.invert(cmyk), "JPEG", quality=100
    )
    if not marked:  # Pillow always writes Adobe's segment and inverts
        at = content.index(b"\xff\xee")
        content = content[:at] + content[at + 16 :]
        assert b"Adobe" not in content
    found = np.asarray(picture_formats.to_rgb(Image.open(io.BytesIO(content))))
    assert np.abs(found.astype(int) - red).max() <= 4


def test_transparency_is_left_out_and_colours_stay():
    pixels = np.dstack([made.PIXELS, np.zeros([6, 4], np.uint8)])
    found = picture_formats.to_rgb(Image.fromarray(pixels))
    np.testing.assert_array_equal(np.asarray(found), made.PIXELS)


def test_floating_point_pixels_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match="without an agreed range, save .* 16 bits"):
        picture_formats.to_rgb(Image.new("F", (2, 2)))
