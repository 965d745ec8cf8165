"""Which image files training can read as they are, and how others become RGB.

A PNG is unpacked a second time, to see its end: that takes a quarter as long as to
decode it where it is noise, and up to three quarters where it is like a photo.
"""

import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageChops

from components.coco_example_gen.read import plain_jpegs

# Formats Pillow decodes by itself: an EPS file would be handed to Ghostscript. JPEG
# stands for multi-picture JPEGs too.
READ = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "JPEG2000")
# What files of these formats are named, in small letters.
SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp"),
        *(".tif", ".tiff", ".bmp", ".dib", ".gif", ".ppm", ".pgm", ".jp2"),
    }
)
HEAD_BYTES = 16  # what Pillow tells the formats apart by
# Multi-picture JPEGs of phones hold an ordinary JPEG first.
STORED_AS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}

# Huffman-coded frames of 8 bits: baseline, extended, progressive. Decoders differ in
# what they make of the others, which are arithmetic-coded, lossless or hierarchical.
_PLAIN_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # other segments in the range of frame markers
_PROGRESSIVE = 0xC2
_PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"
_PNG_SIGNATURE_BYTES = 8
_PNG_HEADER = slice(24, 29)  # bit depth, colour type, two fixed methods, interlace
_PLAIN_PNG = bytes([8, 2, 0, 0, 0])
_MOST_PNG_SIDE = 1_000_000  # px; libpng refuses more
# A decoder has to know every part whose kind begins with a capital.
_ONCE, _OFTEN = (b"IHDR", b"PLTE"), (b"IDAT", b"IEND")
_PACKED_BYTES, _UNPACKED_BYTES = 1 << 16, 1 << 20  # at once


def begins_like_picture(head: bytes) -> bool:
    """Would Pillow try to read a file of one of the formats?

    Args:
        head: the first `HEAD_BYTES` of the file, or all of it.
    """
    Image.init()
    padded = head.ljust(HEAD_BYTES, b"\0")
    accepts = (Image.OPEN[name][1] for name in READ)
    return any(accept is None or accept(padded) for accept in accepts)


def plain_format(image: Image.Image, content: bytes) -> str | None:
    """`jpeg` or `png` for 8-bit RGB that every decoder reads alike; else None."""
    return None if why_not_plain(image, content) else STORED_AS[image.format or ""]


def why_not_plain(image: Image.Image, content: bytes) -> str | None:
    """What keeps decoders from reading all of a picture alike as 8-bit RGB, if any.

    Returns:
        The end of a sentence about the picture.
    """
    stored_as = STORED_AS.get(image.format or "")
    if stored_as is None:
        return "is neither JPEG nor PNG"
    if image.mode != "RGB":
        return "is not 8-bit RGB"
    if stored_as == "jpeg":
        return _why_not_plain_jpeg(content)
    return _why_not_plain_png(image, content)


def _why_not_plain_jpeg(content: bytes) -> str | None:
    """Pillow stops at the last row, TensorFlow goes on to the end marker.

    Behind the only scan it takes parts that it skips; rubbish between them would say
    that the first stands in the middle of the pixels. Of a file with several scans
    Pillow reads all parts, and fails at a broken one.
    """
    frame, last, is_one_scan, at = 0, 0, False, 2
    for marker, start, end in plain_jpegs.segments(content):
        is_bare = not frame or (is_one_scan and last != plain_jpegs.SCAN)
        if is_bare and content[at:start].strip(b"\xff"):  # which is padding
            return "has rubbish between its parts"
        if marker == plain_jpegs.END:
            return None if frame else "has no frame"
        if is_one_scan and marker not in plain_jpegs.SKIPPED:
            return f"has a part of kind {marker:02x} behind its pixels"
        if not frame and 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            if marker not in _PLAIN_JPEG_FRAMES:
                return "is arithmetic-coded, lossless or hierarchical"
            frame = marker
        last, at = marker, end
        has_all_colours = content[start + 4 : start + 5] == b"\3"
        if marker == plain_jpegs.SCAN and frame != _PROGRESSIVE and has_all_colours:
            is_one_scan = True
    return "has no end marker, a part that is cut, or a thousand parts"


def _why_not_plain_png(image: Image.Image, content: bytes) -> str | None:
    if not content.startswith(_PNG_START) or max(image.size) > _MOST_PNG_SIDE:
        return "has a header that not all decoders take"
    if content[_PNG_HEADER] != _PLAIN_PNG:
        return "is interlaced or not 8-bit RGB"
    if getattr(image, "is_animated", False):
        return "holds several pictures"
    if "transparency" in image.info:
        return "has a transparent colour"
    return _broken_chunk(content) or _wrong_rows(image, content)


def _chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each part up to the last; where its content begins and ends."""
    at, kind = _PNG_SIGNATURE_BYTES, b""
    while at + 12 <= len(png) and kind != b"IEND":
        kind = png[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        yield kind, at + 8, end
        at = end + 4


def _broken_chunk(png: bytes) -> str | None:
    """What TensorFlow would fail at; Pillow passes over it."""
    view, kind, seen = memoryview(png), b"", set()
    for kind, start, end in _chunks(png):
        if view[end : end + 4] != zlib.crc32(view[start - 4 : end]).to_bytes(4, "big"):
            return "is cut, or a check sum is wrong"
        if kind in _ONCE and kind not in seen and (kind != b"PLTE" or start < end):
            seen.add(kind)
        elif kind not in _OFTEN and not (kind.isalpha() and kind[:1].islower()):
            return f"has a part that not all decoders take: {kind!r}"
    return None if kind == b"IEND" else "has no end"


def _wrong_rows(image: Image.Image, png: bytes) -> str | None:
    """Pillow leaves rows black that are missing, and does without the packing's end.

    Little is handed over at once: zlib copies what it has not unpacked yet.

    Args:
        image: 8-bit RGB, not interlaced.
    """
    wanted = image.height * (1 + 3 * image.width)  # a byte for the filter of each row
    unpacker, found = zlib.decompressobj(), 0
    try:
        for packed in _packed_pixels(png):
            is_full = True
            while is_full and not unpacker.eof and found <= wanted:
                size = len(unpacker.decompress(packed, _UNPACKED_BYTES))
                is_full = size == _UNPACKED_BYTES
                found += size
                packed = unpacker.unconsumed_tail
            if unpacker.eof or found > wanted:
                break
    except zlib.error:
        return "has pixels that cannot be unpacked"
    if unpacker.eof and found == wanted:
        return None
    return "has fewer or more rows than it says, or no end of them"


def _packed_pixels(png: bytes) -> Iterator[memoryview]:
    """The content of the first data chunks in a row, in slices; of others none ask."""
    view, found = memoryview(png), False
    for kind, start, end in _chunks(png):
        if kind != b"IDAT":
            if found:
                return
            continue
        found = True
        for at in range(start, end, _PACKED_BYTES):
            yield view[at : min(at + _PACKED_BYTES, end)]


def to_rgb(image: Image.Image) -> Image.Image:
    """Makes a decoded picture 8-bit RGB; transparency is left out.

    Raises:
        ValueError: of pixels that have no agreed range, or no way to RGB.
    """
    if image.mode.startswith("I"):  # 16 bits; Pillow itself would clip, not scale
        pixels = np.clip(np.asarray(image), 0, 65535)
        return Image.fromarray((pixels >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError(
            "pixels are floating-point numbers without an agreed range, save the "
            "picture with 8 or 16 bits"
        )
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Adobe stores CMYK inverted, and Pillow takes every JPEG for one of Adobe's.
        image = ImageChops.invert(image)
    return image.convert("RGB")
