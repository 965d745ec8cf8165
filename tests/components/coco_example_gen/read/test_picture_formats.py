import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageChops

from components.coco_example_gen.read import picture_formats

PIXELS = np.random.default_rng(0).integers(0, 256, [6, 4, 3], np.uint8)
CASES = 1000
PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def encoded(picture, name="PNG", **options):
    buffer = io.BytesIO()
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(buffer, format=name, **options)
    return buffer.getvalue()


def plain_format(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return picture_formats.plain_format(image, content)


def by_tensorflow(content):
    return tf.io.decode_image(content, channels=3, expand_animations=False).numpy()


def by_pillow(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(height, width, rows, bits=8, colours=2, interlace=0, parts=1):
    """A PNG of the bytes of its rows, in so many data chunks."""
    head = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlace)
    packed = zlib.compress(rows)
    step = -(-len(packed) // parts)
    data = [packed[at : at + step] for at in range(0, len(packed), step)]
    body = b"".join(chunk(b"IDAT", part) for part in data)
    return PNG_HEAD + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def test_pictures_of_every_format_are_known_by_their_head():
    for name in picture_formats.READ:
        head = encoded(Image.new("RGB", (5, 4)), name)[: picture_formats.HEAD_BYTES]
        assert picture_formats.begins_like_picture(head), name
    for text in (b"", b"a note", b"{}", b"# read me", b"0 0.5 0.5 0.1 0.1\n"):
        assert not picture_formats.begins_like_picture(text)


def test_what_would_be_run_to_be_read_is_no_picture():
    head = encoded(Image.new("RGB", (5, 4)), "EPS")[: picture_formats.HEAD_BYTES]
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
    content = encoded(PIXELS, **options)
    assert plain_format(content) == options["name"].lower()
    found = by_tensorflow(content).astype(int)
    # Of JPEG, TensorFlow takes a faster inverse transform.
    slack = 4 if options["name"] == "JPEG" else 0
    assert np.abs(found - by_pillow(content)).max() <= slack


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
        assert plain_format(encoded(Image.new(mode, (4, 6)), name)) is None


@pytest.mark.parametrize("progressive", [True, False])
def test_a_jpeg_of_an_unusual_frame_is_not_plain(progressive):
    content = encoded(PIXELS, "JPEG", progressive=progressive)
    image = Image.open(io.BytesIO(content))
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    usual = (0xC2,) if progressive else (0xC0, 0xC1)
    for marker in (*usual, 0xC3, 0xC5, 0xC9, 0xCA):
        plain = "jpeg" if marker in usual else None
        changed = content[:at] + bytes([0xFF, marker]) + content[at + 2 :]
        assert picture_formats.plain_format(image, changed) == plain
        padded = content[:at] + bytes([0xFF, 0xFF, 0xFF, marker]) + content[at + 2 :]
        assert picture_formats.plain_format(image, padded) == plain


def test_16_bits_interlacing_transparency_and_frames_make_a_png_not_plain():
    rows = b"".join(b"\0" + row.tobytes() for row in PIXELS)
    assert plain_format(png(6, 4, rows)) == "png"
    deep = PIXELS.astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    assert plain_format(png(6, 4, rows, bits=16)) is None
    row = b"\0" + PIXELS[0, 0].tobytes()  # one pixel, whose only pass is all of it
    assert plain_format(png(1, 1, row)) == "png"
    assert plain_format(png(1, 1, row, interlace=1)) is None
    colour = tuple(map(int, PIXELS[0, 0]))
    assert plain_format(encoded(PIXELS, transparency=colour)) is None
    frames = {"save_all": True, "append_images": [Image.fromarray(255 - PIXELS)]}
    assert plain_format(encoded(PIXELS, **frames)) is None


@pytest.mark.parametrize(("name", "missing"), [("PNG", 12), ("PNG", 16), ("JPEG", 2)])
def test_what_only_pillow_takes_for_whole_is_not_plain(name, missing):
    # Of this noise, Pillow does not notice that the JPEG has no end.
    noise = np.random.default_rng(17).integers(0, 256, [160, 120, 3], np.uint8)
    options = {"quality": 95, "subsampling": 0} if name == "JPEG" else {}
    content = encoded(noise, name, **options)
    assert plain_format(content) == name.lower()
    cut = content[:-missing]  # IEND, a check sum, a JPEG's end
    with pytest.raises(tf.errors.InvalidArgumentError):
        by_tensorflow(cut)
    assert plain_format(cut) is None


def test_a_png_of_a_wrong_check_sum_is_not_plain():
    content = bytearray(encoded(PIXELS))
    content[content.index(b"IEND") + 7] ^= 1
    assert plain_format(bytes(content)) is None


def plain_png(content, height=6, width=4):
    """As `plain_format`, of what Pillow would not decode as well."""
    image = Image.new("RGB", (width, height))
    image.format = "PNG"
    return picture_formats.plain_format(image, content)


@pytest.mark.parametrize("fill", [b"\0", b"\1"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(("missing", "plain"), [(0, "png"), (1, None), (13, None)])
def test_a_png_without_all_rows_is_not_plain(fill, parts, missing, plain):
    rows = 6 * (b"\0" + 3 * 4 * fill)  # black: like the rows that Pillow makes up
    content = png(6, 4, rows[: len(rows) - missing], parts=parts)
    assert plain_png(content) == plain
    if missing:
        with pytest.raises(tf.errors.InvalidArgumentError):
            by_tensorflow(content)
    assert plain_png(png(6, 4, b"", parts=parts)) is None


@pytest.mark.parametrize("missing", [1, 4, 5])
def test_a_png_whose_packed_pixels_have_no_end_is_not_plain(missing):
    whole = encoded(PIXELS)
    size = int.from_bytes(whole[33:37], "big")
    data = chunk(b"IDAT", whole[41 : 41 + size - missing])
    content = whole[:33] + data + chunk(b"IEND", b"")
    with pytest.raises(tf.errors.InvalidArgumentError):
        by_tensorflow(content)
    assert plain_png(content) is None


@pytest.mark.parametrize("more", [1, 13, 5_000_000])
def test_a_png_of_more_rows_than_it_says_is_not_plain(more):
    assert plain_png(png(6, 4, bytes(6 * 13 + more))) is None


@pytest.mark.parametrize("marker", [b"\xff\xe0\x7f\xff", b"\xff\xc4\0\4ab"])
def test_a_part_in_the_middle_of_the_pixels_makes_a_jpeg_not_plain(marker):
    """Pillow may fill up the rest and stop; TensorFlow reads the part and fails."""
    content = encoded(PIXELS, "JPEG", quality=95)
    image = Image.open(io.BytesIO(content))
    at = (content.index(b"\xff\xda") + len(content)) // 2
    broken = content[:at] + marker + content[at + len(marker) :]
    with pytest.raises(tf.errors.InvalidArgumentError):
        by_tensorflow(broken)
    assert picture_formats.plain_format(image, broken) is None
    sound = content[:at] + b"\xff\0" + content[at + 2 :]  # a byte of the code itself
    assert picture_formats.plain_format(image, sound) == "jpeg"
    assert by_tensorflow(sound).shape == PIXELS.shape


def mutated_jpeg(content, generator):
    """A few bytes changed, or the end cut off."""
    changed = bytearray(content)
    for _ in range(generator.integers(1, 4)):
        changed[generator.integers(len(changed))] = generator.integers(256)
    kept = generator.choice([len(changed), generator.integers(len(changed))])
    return bytes(changed[:kept])


def mutated_png(content, generator):
    """Bytes of header, rows or packed rows changed, and all check sums right."""
    size = int.from_bytes(content[33:37], "big")
    head, packed = bytearray(content[16:29]), bytearray(content[41 : 41 + size])
    rows = bytearray(zlib.decompress(packed))
    kind = generator.integers(4)
    part = (head, rows, rows, packed)[kind]
    for _ in range(generator.integers(1, 4)):
        part[generator.integers(len(part))] = generator.integers(256)
    data = bytes(packed) if kind == 3 else zlib.compress(rows)
    if generator.random() < 0.3:
        data = data[: len(data) - generator.integers(9)]
    chunks = chunk(b"IHDR", bytes(head)) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return PNG_HEAD + chunks


@pytest.mark.parametrize(
    ("original", "mutated"),
    [
        ({"name": "PNG"}, mutated_png),
        ({"name": "PNG", "compress_level": 0}, mutated_png),
        ({"name": "JPEG", "quality": 90}, mutated_jpeg),
        ({"name": "JPEG", "progressive": True}, mutated_jpeg),
    ],
)
def test_whatever_is_taken_for_plain_is_decoded_by_tensorflow(original, mutated):
    generator = np.random.default_rng(5)
    noise = generator.integers(0, 256, [9, 11, 3], np.uint8)
    content, taken = encoded(noise, **original), 0
    for _ in range(CASES):
        other = mutated(content, generator)
        try:
            image = Image.open(io.BytesIO(other))
            if image.width * image.height > 10_000:
                continue
            is_plain = plain_format(other) is not None
        except Exception:  # noqa: S112  what Pillow cannot decode never gets here
            continue
        if is_plain:
            taken += 1
            found = by_tensorflow(other)
            assert found.shape == by_pillow(other).shape
            if image.format == "PNG":
                np.testing.assert_array_equal(found, by_pillow(other))
    assert taken > CASES // 50


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
    content = encoded(cmyk if marked else ImageChops.invert(cmyk), "JPEG", quality=100)
    if not marked:  # Pillow always writes Adobe's segment and inverts
        at = content.index(b"\xff\xee")
        content = content[:at] + content[at + 16 :]
        assert b"Adobe" not in content
    found = np.asarray(picture_formats.to_rgb(Image.open(io.BytesIO(content))))
    assert np.abs(found.astype(int) - red).max() <= 4


def test_transparency_is_left_out_and_colours_stay():
    pixels = np.dstack([PIXELS, np.zeros([6, 4], np.uint8)])
    found = picture_formats.to_rgb(Image.fromarray(pixels))
    np.testing.assert_array_equal(np.asarray(found), PIXELS)


def test_floating_point_pixels_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match="without an agreed range, save .* 16 bits"):
        picture_formats.to_rgb(Image.new("F", (2, 2)))
