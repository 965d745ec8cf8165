import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from model.examples import picture_headers

_TEXT = tf.TensorSpec([], tf.string)
read = tf.function(picture_headers.read, input_signature=[_TEXT])
upright = tf.function(
    picture_headers.upright,
    input_signature=[
        tf.TensorSpec([None, None, 3], tf.uint8),
        tf.TensorSpec([], tf.int32),
    ],
)
SIZE = (7, 5)  # height and width


def pixels(seed=0, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def saved(image_format, exif=b"", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels()).save(buffer, image_format, exif=exif, **options)
    return buffer.getvalue()


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    found[0x010F] = "maker"
    return found.tobytes()


def tiff(order, entries, name=b"Exif\0\0"):
    """Exif data with entries of (tag, kind, count, four bytes)."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    rows = [struct.pack(f"{order}HHI", *each[:3]) + each[3] for each in entries]
    return name + head + struct.pack(f"{order}H", len(rows)) + b"".join(rows)


def told(content):
    return [int(each) for each in read(content)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_every_orientation_is_read_and_turned_as_pillow_does(image_format, orientation):
    content = saved(image_format, exif(orientation))
    kind = {"JPEG": picture_headers.JPEG, "PNG": picture_headers.PNG}[image_format]
    assert told(content) == [kind, *SIZE, orientation]
    image = Image.open(io.BytesIO(content))
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(
        upright(np.asarray(image), orientation).numpy(), expected
    )


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100}])
def test_jpegs_of_all_kinds_tell_their_size(options):
    assert told(saved("JPEG", **options)) == [picture_headers.JPEG, *SIZE, 1]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "I;16", "1"])
def test_pngs_of_all_modes_tell_their_size(mode):
    buffer = io.BytesIO()
    Image.new(mode, SIZE[::-1]).save(buffer, "PNG")
    assert told(buffer.getvalue()) == [picture_headers.PNG, *SIZE, 1]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("kind", "value"), [(1, "B3x"), (3, "H2x"), (4, "I")], ids=["byte", "short", "long"]
)
def test_numbers_of_both_orders_and_three_kinds_are_read(order, kind, value):
    entries = [
        (0x0100, 3, 1, bytes(4)),
        (0x0112, kind, 1, struct.pack(order + value, 6)),
    ]
    assert told(saved("JPEG", tiff(order, entries)))[3] == 6


@pytest.mark.parametrize(
    "broken",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        tiff("<", [(0x0112, 3, 1, b"\x06\0\0\0")])[:-5],
        tiff("<", [(0x0112, 3, 1, b"\x09\0\0\0")]),
        tiff("<", [(0x0112, 3, 2, b"\x06\0\x06\0")]),
        tiff("<", [(0x0112, 2, 1, b"\x06\0\0\0")]),
    ],
)
def test_broken_exif_says_nothing(broken):
    assert told(saved("JPEG", broken)) == [picture_headers.JPEG, *SIZE, 1]


def test_other_parts_before_exif_and_fill_bytes_are_passed_over():
    content = saved("JPEG", exif(8))
    at = content.index(b"\xff\xe1")
    text = b"\xff\xe1Exif\0\0" * 30
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(text)) + text
    padded = content[:at] + comment + b"\xff\xff" + content[at:]
    assert told(padded) == [picture_headers.JPEG, *SIZE, 8]


def test_exif_behind_the_pixels_of_a_png_counts():
    content, name = saved("PNG", exif(3)), b"eXIf"
    at = content.index(name) - 4
    end = at + 12 + int.from_bytes(content[at : at + 4], "big")
    last = content.index(b"IEND") - 4
    moved = content[:at] + content[end:last] + content[at:end] + content[last:]
    assert Image.open(io.BytesIO(moved)).size == SIZE[::-1]
    assert told(moved) == [picture_headers.PNG, *SIZE, 3]


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"\xff\xd8", b"GIF89a" + bytes(20), b"\x89PNG\r\n"]
)
def test_what_is_neither_is_said_to_be_neither(content):
    assert told(content) == [picture_headers.NEITHER, 0, 0, 1]


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_wherever_a_file_is_cut_reading_ends(image_format):
    content = saved(image_format, exif(6))
    for length in range(3, len(content), 7):
        assert told(content[:length])[0] in (
            picture_headers.NEITHER,
            picture_headers.JPEG,
            picture_headers.PNG,
        )


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_changed_reading_ends(seed):
    generator = np.random.default_rng(seed)
    for image_format in ("JPEG", "PNG"):
        content = saved(image_format, exif(5))
        for _ in range(60):
            changed = bytearray(content)
            for place in generator.integers(0, min(len(changed), 200), 4):
                changed[place] = generator.integers(256)
            assert 1 <= told(bytes(changed))[3] <= 8
