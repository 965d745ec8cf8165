import struct
import zlib

import made
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image


def test_16_bits_interlacing_transparency_and_frames_make_a_png_not_plain():
    rows = b"".join(b"\0" + row.tobytes() for row in made.PIXELS)
    assert made.plain_format(made.png(6, 4, rows)) == "png"
    deep = made.PIXELS.astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    assert made.plain_format(made.png(6, 4, rows, bits=16)) is None
    row = b"\0" + made.PIXELS[0, 0].tobytes()  # of one pixel, so of one pass
    assert made.plain_format(made.png(1, 1, row)) == "png"
    assert made.plain_format(made.png(1, 1, row, interlace=1)) is None
    colour = tuple(map(int, made.PIXELS[0, 0]))
    assert made.plain_format(made.encoded(made.PIXELS, transparency=colour)) is None
    frames = {"save_all": True, "append_images": [Image.fromarray(255 - made.PIXELS)]}
    assert made.plain_format(made.encoded(made.PIXELS, **frames)) is None


def test_a_png_of_a_wrong_check_sum_is_not_plain():
    content = bytearray(made.encoded(made.PIXELS))
    content[content.index(b"IEND") + 7] ^= 1
    assert made.plain_format(bytes(content)) is None


@pytest.mark.parametrize("fill", [b"\0", b"\1"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(("missing", "plain"), [(0, "png"), (1, None), (13, None)])
def test_a_png_without_all_rows_is_not_plain(fill, parts, missing, plain):
    rows = 6 * (b"\0" + 3 * 4 * fill)  # black: like the rows that Pillow makes up
    content = made.png(6, 4, rows[: len(rows) - missing], parts=parts)
    assert made.plain_png(content) == plain
    if missing:
        with pytest.raises(tf.errors.InvalidArgumentError):
            made.by_tensorflow(content)
    assert made.plain_png(made.png(6, 4, b"", parts=parts)) is None


@pytest.mark.parametrize("missing", [1, 4, 5])
def test_a_png_whose_packed_pixels_have_no_end_is_not_plain(missing):
    whole = made.encoded(made.PIXELS)
    size = int.from_bytes(whole[33:37], "big")
    data = made.chunk(b"IDAT", whole[41 : 41 + size - missing])
    content = whole[:33] + data + made.chunk(b"IEND", b"")
    with pytest.raises(tf.errors.InvalidArgumentError):
        made.by_tensorflow(content)
    assert made.plain_png(content) is None


@pytest.mark.parametrize("more", [1, 13, 5_000_000])
def test_a_png_of_more_rows_than_it_says_is_not_plain(more):
    assert made.plain_png(made.png(6, 4, bytes(6 * 13 + more))) is None


@pytest.mark.parametrize(
    "chunks",
    [
        (made.IHDR, made.PALETTE, *2 * (made.TEXT,), made.IDAT, made.TEXT, made.IEND),
        (made.IHDR, made.chunk(b"IDAT", b""), made.IDAT, made.IEND),
        (
            made.IHDR,
            made.chunk(b"IDAT", made.PACKED + b"more"),
            made.chunk(b"IDAT", b"more"),
            made.IEND,
        ),
        (made.IHDR, made.IDAT, made.IEND + b"more"),
    ],
)
def test_parts_that_decoders_may_skip_leave_a_png_plain(chunks):
    content = made.PNG_HEAD + b"".join(chunks)
    assert made.plain_format(content) == "png"
    np.testing.assert_array_equal(made.by_tensorflow(content), made.PIXELS)


@pytest.mark.parametrize("kind", [b"ABCD", b"a1cd", b"IHDR", b"PLTE"])
@pytest.mark.parametrize("is_behind", [True, False])
def test_a_png_of_a_part_that_tensorflow_refuses_is_not_plain(kind, is_behind):
    content = {b"IHDR": made.IHDR[8:-4], b"PLTE": bytes(9)}.get(kind, b"a")
    parts = [made.PALETTE, made.chunk(kind, content), made.IDAT]
    parts = [made.PALETTE, made.IDAT, parts[1]] if is_behind else parts
    content = made.PNG_HEAD + b"".join((made.IHDR, *parts, made.IEND))
    assert made.plain_png(content) is None
    if kind != b"PLTE" or not is_behind:
        with pytest.raises(tf.errors.InvalidArgumentError):
            made.by_tensorflow(content)


@pytest.mark.parametrize("missing", [4, 30])
def test_a_png_whose_packed_pixels_are_not_in_a_row_is_not_plain(missing):
    first, second = made.PACKED[:-missing], made.PACKED[-missing:]
    data = [made.chunk(b"IDAT", first), made.chunk(b"IDAT", second)]
    whole = made.PNG_HEAD + b"".join((made.IHDR, *data, made.IEND))
    parted = made.PNG_HEAD + b"".join(
        (made.IHDR, data[0], made.TEXT, data[1], made.IEND)
    )
    assert [made.plain_png(whole), made.plain_png(parted)] == ["png", None]
    np.testing.assert_array_equal(made.by_tensorflow(whole), made.PIXELS)
    with pytest.raises(tf.errors.InvalidArgumentError):
        made.by_tensorflow(parted)


def test_a_png_of_an_empty_palette_is_not_plain():
    parts = (made.IHDR, made.chunk(b"PLTE", b""), made.IDAT, made.IEND)
    content = made.PNG_HEAD + b"".join(parts)
    assert made.plain_png(content) is None
    with pytest.raises(tf.errors.InvalidArgumentError):
        made.by_tensorflow(content)


def test_the_largest_side_of_a_png_is_what_tensorflow_takes():
    for width, plain in ((1_000_000, "png"), (1_000_001, None)):
        content = made.png(1, width, bytes(1 + 3 * width))
        assert made.plain_png(content, 1, width) == plain
        if plain:
            assert made.by_tensorflow(content).shape == (1, width, 3)
        else:
            with pytest.raises(tf.errors.InvalidArgumentError):
                made.by_tensorflow(content)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("is_noise", [True, False])
def test_a_large_png_is_handed_to_zlib_about_once(monkeypatch, level, is_noise):
    """Whatever is handed over and not yet unpacked, zlib copies each time."""
    height, width = 1000, 3000
    row = np.random.default_rng(0).bytes(3 * width) if is_noise else bytes(3 * width)
    packed = zlib.compress(height * (b"\0" + row), level)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = (
        made.PNG_HEAD
        + made.chunk(b"IHDR", head)
        + made.chunk(b"IDAT", packed)
        + made.IEND
    )
    handed = []

    class Counting:
        def __init__(self):
            self.inner = make()

        def decompress(self, part, most):
            handed.append(len(part))
            return self.inner.decompress(part, most)

        def __getattr__(self, name):
            return getattr(self.inner, name)

    make = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Counting)
    assert made.plain_png(content, height, width) == "png"
    assert max(handed) <= 1 << 16
    # One more slice for each MiB that is unpacked.
    most = len(packed) + height * len(row) // 16 + (1 << 16)
    assert len(packed) <= sum(handed) <= most
