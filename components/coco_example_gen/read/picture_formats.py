"""Which image files training can read as they are, and how others become RGB."""

import re
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageChops

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
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
# In the code of the pixels 0xff stands before a zero or a restart's number.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_PNG_HEADER = slice(24, 29)  # bit depth, colour type, two fixed methods, interlace
_PLAIN_PNG = bytes([8, 2, 0, 0, 0])
_UNPACKED_BYTES = 1 << 20  # at once


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
    if image.mode != "RGB":
        return None
    if image.format in ("JPEG", "MPO"):
        marker, at = _jpeg_frame(content)
        is_plain = marker in _PLAIN_JPEG_FRAMES
        return "jpeg" if is_plain and _reaches_end(content, marker, at) else None
    if image.format == "PNG":
        is_plain = content[_PNG_HEADER] == _PLAIN_PNG
        is_still = not getattr(image, "is_animated", False)
        opaque = "transparency" not in image.info
        is_whole = _is_whole(content) and _has_all_rows(image, content)
        return "png" if is_plain and is_still and opaque and is_whole else None
    return None


def _is_whole(png: bytes) -> bool:
    """Have all chunks their check sum, up to the last? Pillow does not ask."""
    at = 8
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        if png[end : end + 4] != zlib.crc32(png[at + 4 : end]).to_bytes(4, "big"):
            return False
        if png[at + 4 : at + 8] == b"IEND":
            return True
        at = end + 4
    return False


def _has_all_rows(image: Image.Image, png: bytes) -> bool:
    """Are the pixels packed to their end? Pillow leaves rows black that are missing.

    Args:
        image: 8-bit RGB, not interlaced.
    """
    wanted = image.height * (1 + 3 * image.width)  # a byte for the filter of each row
    unpacker = zlib.decompressobj()
    packed, found = b"".join(_data_chunks(png)), 0
    try:
        while not unpacker.eof and found <= wanted:
            part = unpacker.decompress(packed, _UNPACKED_BYTES)
            if not part and not unpacker.eof:
                return False
            found += len(part)
            packed = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return found == wanted


def _data_chunks(png: bytes) -> Iterator[bytes]:
    at = 8
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            yield png[at + 8 : end]
        at = end + 4


def _jpeg_frame(content: bytes) -> tuple[int, int]:
    """The marker of the first frame, 0 when there is none, and where it is."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            return marker, at
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return 0, at


def _reaches_end(jpeg: bytes, frame: int, at: int) -> bool:
    """Do the parts from the frame on lead to the end marker?

    Pillow stops at the last row, TensorFlow goes on to the end. Of a file with several
    scans Pillow reads all parts, and fails at a broken one.
    """
    is_one_scan = False
    while found := _JPEG_MARKER.search(jpeg, at):
        marker = jpeg[found.start() + 1]
        if marker == _JPEG_END or is_one_scan:
            return marker == _JPEG_END
        at = found.end()
        is_one_scan = (
            marker == _JPEG_SCAN and frame != 0xC2 and jpeg[at + 2 : at + 3] == b"\3"
        )
        at += int.from_bytes(jpeg[at : at + 2], "big")
    return False


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
