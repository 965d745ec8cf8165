import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.coco_example_gen.read import plain_jpegs

HEIGHT, WIDTH = 37, 53


def picture(seed=0, mode="RGB"):
    """Smooth colours with some noise, as photos have."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, [5, 7, 3], np.uint8)
    large = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    noise = generator.integers(0, 12, [HEIGHT, WIDTH, 3], np.uint8)
    return Image.fromarray(np.asarray(large) // 2 + noise).convert(mode)


def exif(orientation=None):
    found = Image.Exif()
    found[0x010F] = "a camera"
    if orientation is not None:
        found[0x0112] = orientation
    return found


def jpeg(mode="RGB", **options):
    file = io.BytesIO()
    picture(mode=mode).save(file, "JPEG", **options)
    return file.getvalue()


def resized(height, width):
    """A JPEG whose head says another size than its pixels have."""
    content = jpeg()
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


PLAIN = {
    "default": {},
    "best": {"quality": 100, "subsampling": 0},
    "worst": {"quality": 1},
    "half": {"subsampling": 1},
    "own tables": {"optimize": True},
    "restarts": {"restart_marker_blocks": 2},
    "colour profile": {"icc_profile": bytes(range(256)) * 300},
    "comment": {"comment": b"\xff\xd9\xff\xda of a camera"},
    "true colours": {"keep_rgb": True},
    "by a camera": {"exif": exif()},
    "upright": {"exif": exif(1)},
    "edited": {"xmp": b"<x:xmpmeta/>"},
}


@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN)
def test_the_size_of_plain_jpegs_is_told(options):
    assert plain_jpegs.size(jpeg(**options)) == (HEIGHT, WIDTH)


def test_the_largest_side_is_what_tensorflow_takes():
    largest, larger = resized(1, 65_500), resized(1, 65_501)
    assert plain_jpegs.size(largest) == (1, 65_500)
    assert tf.io.decode_jpeg(largest).shape == (1, 65_500, 3)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_jpeg(larger)


@pytest.mark.parametrize(("parts", "told"), [(900, (HEIGHT, WIDTH)), (1001, None)])
def test_parts_are_looked_through_up_to_a_thousand(parts, told):
    assert plain_jpegs.size(b"\xff\xd8" + parts * b"\xff\xe0\0\2" + jpeg()[2:]) == told


def test_parts_are_told_from_the_first_to_the_end_marker():
    start, tail = b"\xff\xd8", b"\xff\xd9 and more"
    first, padding, scan = b"\xff\xe0\0\4ab", b"\xff\xff", b"\xff\xda\0\2"
    code = b"1\xff\x002\xff\xd03\xff\x014"  # nothing in it is a part
    content = start + first + padding + scan + code + tail
    wanted = [(0xE0, 2, 8), (0xDA, 10, 14), (0xD9, 24, 26)]
    assert list(plain_jpegs.segments(content)) == wanted


@pytest.mark.parametrize("size", [b"", b"\0", b"\0\0", b"\0\1", b"\0\3", b"\x7f\xff"])
def test_no_part_is_told_from_one_on_that_is_cut(size):
    content = b"\xff\xd8\xff\xfe\0\2\xff\xe0" + size
    assert list(plain_jpegs.segments(content)) == [(0xFE, 2, 6)]


def test_no_more_than_a_thousand_parts_are_told():
    content = b"\xff\xd8" + 5000 * b"\xff\xe0\0\2" + b"\xff\xd9"
    assert len(list(plain_jpegs.segments(content))) == 1000


def test_pixels_that_end_too_early_count_as_whole_and_are_filled_up():
    whole = jpeg(quality=95)
    code = whole.rindex(b"\xff\xda")
    cut = whole[: (code + len(whole)) // 2] + b"\xff\xd9"
    assert plain_jpegs.size(cut) == (HEIGHT, WIDTH)
    first, second = (tf.io.decode_jpeg(each).numpy() for each in (whole, cut))
    np.testing.assert_array_equal(first[:8], second[:8])
    assert (second[-1] == 128).all()


def test_bytes_after_the_end_do_not_matter():
    assert plain_jpegs.size(jpeg() + b"\0" * 50) == (HEIGHT, WIDTH)


OTHERS = {
    "without a size": resized(0, WIDTH),
    "wider than decoders take": resized(HEIGHT, 65_501),
    "higher than decoders take": resized(65_501, WIDTH),
    "gray": jpeg("L"),
    "CMYK": jpeg("CMYK"),
    "progressive": jpeg(progressive=True),
    "turned": jpeg(exif=exif(6)),
    "upside down": jpeg(exif=exif(3)),
    "turned by an editor": jpeg(xmp=b'<x tiff:Orientation="6"/>'),
    "broken EXIF": jpeg(exif=b"Exif\0\0rubbish"),
    "no JPEG": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "empty": b"",
    "its start alone": b"\xff\xd8",
    "without the end": jpeg()[:-2],
    "parts without end": b"\xff\xd8" + 100_000 * b"\xff\xe0\0\2",
    "parts without length": b"\xff\xd8" + 100_000 * b"\xff\xe0\0\0",
    "half of it": jpeg()[: len(jpeg()) // 2],
    "half of it, ended": jpeg()[:300] + b"\xff\xd9",
    "without tables": jpeg().replace(b"\xff\xdb", b"\xff\xfe"),
    "one of several": jpeg().replace(b"\xff\xdb", b"\xff\xe2\0\x06MPF\0\xff\xdb", 1),
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_of_others_nothing_is_told(content):
    assert plain_jpegs.size(content) is None


def test_a_cut_in_the_middle_is_seen_though_another_part_follows():
    content = jpeg(quality=95)
    code = content.rindex(b"\xff\xda")
    middle = (code + len(content)) // 2
    assert plain_jpegs.size(content[:middle] + b"\xff\xe0\0\4ab\xff\xd9") is None


def mutated(content, generator):
    """A byte or a stretch of the file changed, moved, doubled, or cut off."""
    at, other = sorted(generator.integers(0, len(content), 2).tolist())
    if generator.random() < 0.5:  # tables are a small part, and the one that matters
        at %= 700
    filling = generator.integers(0, 256, other % 9, np.uint8).tobytes()
    kinds = (
        content[:at] + filling[:1] + content[at + 1 :],
        content[:at] + filling + content[at + len(filling) :],
        content[:at] + filling + content[at:],
        content[:at] + content[at + 3 :],
        content[:at] + content[max(other, at) :],
        content[:at],
        content[:at] + b"\xff\xd9",
    )
    return kinds[generator.integers(len(kinds))]


def test_whatever_is_told_the_size_of_is_decoded_by_tensorflow():
    generator = np.random.default_rng(0)
    originals = [jpeg(**options) for options in PLAIN.values()]
    told = 0
    for case in range(4000):
        content = mutated(originals[case % len(originals)], generator)
        size = plain_jpegs.size(content)
        if size is None or size[0] * size[1] > 10**7:
            continue
        told += 1
        assert tf.io.decode_jpeg(content, channels=3).shape == (*size, 3)
    assert told > 500
