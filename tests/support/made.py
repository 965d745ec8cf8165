"""Pictures made byte by byte, whole and odd, and what decoders and we make of them."""

import io
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

from components.coco_example_gen.read import picture_formats

PIXELS = np.random.default_rng(0).integers(0, 256, [6, 4, 3], np.uint8)
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


def plain_png(content, height=6, width=4):
    """As `plain_format`, of what Pillow would not decode as well."""
    image = Image.new("RGB", (width, height))
    image.format = "PNG"
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


PACKED = zlib.compress(b"".join(b"\0" + row.tobytes() for row in PIXELS))
IHDR = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 6, 8, 2, 0, 0, 0))
IDAT, IEND = chunk(b"IDAT", PACKED), chunk(b"IEND", b"")
PALETTE, TEXT = chunk(b"PLTE", bytes(9)), chunk(b"tEXt", b"a\0b")


def segment(marker, content=b"of a camera"):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content
