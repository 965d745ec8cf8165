"""What the first bytes of a JPEG or PNG say, read inside a graph.

Parts are skipped by their lengths, and nothing is decoded: size and orientation are
known before a decoder takes memory for the pixels. Sources: ITU-T T.81 annex B (JPEG),
the PNG specification chapter 5, Exif 2.32 sections 4.5 and 4.6.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

NEITHER, JPEG, PNG = 0, 1, 2

_JPEG_START, _PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112
_BYTE, _SHORT, _LONG = 1, 3, 4  # kinds of numbers in Exif
_ENTRY_BYTES = 12
_MOST_PARTS = 100_000  # a file of more is read no further
_FRAMES = tuple(each for each in range(0xC0, 0xD0) if each not in (0xC4, 0xC8, 0xCC))
_BARE = (0x01, *range(0xD0, 0xD8))  # markers without a part behind them
_LAST = (0xD9, 0xDA)  # end of image, start of scan


class Header(NamedTuple):
    """What is known of a picture.

    Attributes:
        kind: int32 [], one of the names above.
        height, width: int32 [], px as stored, not turned; 0 where it does not say.
        orientation: int32 [], Exif's, 1 to 8; 1 where it says nothing that is valid.
    """

    kind: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    orientation: tf.Tensor


class _Scan(NamedTuple):
    """How far the parts were looked at; int64 []."""

    at: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    exif: tf.Tensor  # where Exif's data begins, 0 for nowhere
    exif_end: tf.Tensor
    parts: tf.Tensor
    is_open: tf.Tensor  # bool []


def read(encoded: tf.Tensor) -> Header:
    """Reads the header of one file.

    Args:
        encoded: string [], any bytes.
    """
    start = tf.strings.substr(encoded, 0, len(_PNG_START))
    is_png = tf.equal(start, _PNG_START)
    is_jpeg = tf.equal(tf.strings.substr(encoded, 0, len(_JPEG_START)), _JPEG_START)
    kind = tf.where(is_png, PNG, tf.where(is_jpeg, JPEG, NEITHER))
    found = tf.switch_case(
        kind,
        [
            lambda: _begun(0, is_open=False),
            lambda: _scanned(encoded, _next_of_jpeg, _begun(2)),
            lambda: _scanned(encoded, _next_of_png, _begun(len(_PNG_START))),
        ],
    )
    orientation = tf.cond(
        found.exif > 0,
        lambda: _orientation(encoded, found.exif, found.exif_end),
        lambda: tf.constant(1),
    )
    height, width = (tf.cast(each, tf.int32) for each in (found.height, found.width))
    return Header(kind, height, width, orientation)


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and flips a stored picture to what it shows.

    Args:
        image: [H, W, C] of any type.
        orientation: int32 [], of a `Header`.

    Returns:
        [H, W, C], from orientation 5 on [W, H, C].
    """

    def asked(*orientations: int) -> tf.Tensor:
        return tf.reduce_any(tf.equal(orientation, orientations))

    channels = image.shape[-1]
    image = tf.cond(
        asked(5, 6, 7, 8), lambda: tf.transpose(image, [1, 0, 2]), lambda: image
    )
    for axis, orientations in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
        image = tf.cond(
            asked(*orientations),
            lambda image=image, axis=axis: tf.reverse(image, [axis]),
            lambda image=image: image,
        )
    return tf.ensure_shape(image, [None, None, channels])


def _begun(at: int, is_open: bool = True) -> _Scan:
    zero = tf.constant(0, tf.int64)
    place = tf.constant(at, tf.int64)
    return _Scan(place, zero, zero, zero, zero, zero, tf.constant(is_open))


def _scanned(
    encoded: tf.Tensor, step: Callable[[tf.Tensor, _Scan], _Scan], scan: _Scan
) -> _Scan:
    (found,) = tf.while_loop(
        lambda scan: scan.is_open,
        lambda scan: (step(encoded, scan),),
        (scan,),
        parallel_iterations=1,
    )
    return found


def _next_of_jpeg(encoded: tf.Tensor, scan: _Scan) -> _Scan:
    """Looks at one part: FF, marker, two bytes of length that count themselves."""
    part = _bytes(encoded, scan.at, 4 + len(_EXIF))
    marker, length = part[1], _big(part[2:4])
    is_marker = tf.equal(part[0], 0xFF)
    is_fill = is_marker & tf.equal(marker, 0xFF)
    is_bare = is_fill | _is_one_of(marker, _BARE)
    is_frame = _is_one_of(marker, _FRAMES)
    is_exif = tf.equal(marker, 0xE1) & tf.reduce_all(tf.equal(part[4:], list(_EXIF)))
    is_exif &= tf.equal(scan.exif, 0)
    ends = ~is_marker | _is_one_of(marker, _LAST) | (~is_bare & (length < 2))
    behind = scan.at + 2 + length
    skipped = tf.where(is_fill, scan.at + 1, scan.at + 2)
    return _Scan(
        at=tf.where(is_bare, skipped, behind),
        height=tf.where(is_frame, _big(part[5:7]), scan.height),
        width=tf.where(is_frame, _big(part[7:9]), scan.width),
        exif=tf.where(is_exif, scan.at + 4 + len(_EXIF), scan.exif),
        exif_end=tf.where(is_exif, behind, scan.exif_end),
        parts=scan.parts + 1,
        is_open=~ends & (scan.parts < _MOST_PARTS),
    )


def _next_of_png(encoded: tf.Tensor, scan: _Scan) -> _Scan:
    """Looks at one chunk: four bytes of length, four of kind, content, check sum."""
    chunk = _bytes(encoded, scan.at, 16)
    length, kind = _big(chunk[:4]), chunk[4:8]

    def is_a(name: bytes) -> tf.Tensor:
        return tf.reduce_all(tf.equal(kind, list(name)))

    is_header, is_exif = is_a(b"IHDR"), is_a(b"eXIf")
    begin, behind = scan.at + 8, scan.at + 12 + length
    ends = is_a(b"IEND") | (behind >= _length(encoded))
    return _Scan(
        at=behind,
        height=tf.where(is_header, _big(chunk[12:16]), scan.height),
        width=tf.where(is_header, _big(chunk[8:12]), scan.width),
        exif=tf.where(is_exif, begin, scan.exif),
        exif_end=tf.where(is_exif, begin + length, scan.exif_end),
        parts=scan.parts + 1,
        is_open=~ends & (scan.parts < _MOST_PARTS),
    )


def _orientation(encoded: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """The orientation in Exif's first directory, int32 []."""
    # Some writers put the name before the data where it does not belong.
    again = _bytes(encoded, begin, len(_EXIF))
    is_again = tf.reduce_all(tf.equal(again, list(_EXIF)))
    begin += len(_EXIF) * tf.cast(is_again, tf.int64)
    head = _bytes(encoded, begin, 8)
    is_little = tf.equal(head[0], ord("I"))

    def number(digits: tf.Tensor) -> tf.Tensor:
        return tf.where(is_little, _big(digits[..., ::-1]), _big(digits))

    directory = begin + number(head[4:8])
    inside = tf.maximum(end - directory - 2, 0) // _ENTRY_BYTES
    count = tf.minimum(number(_bytes(encoded, directory, 2)), inside)
    entries = _bytes(encoded, directory + 2, count * _ENTRY_BYTES)
    entries = tf.reshape(entries, [-1, _ENTRY_BYTES])
    kind = number(entries[:, 2:4])
    is_it = tf.equal(number(entries[:, :2]), _ORIENTATION)
    is_it &= tf.equal(number(entries[:, 4:8]), 1)
    value = tf.where(tf.equal(kind, _BYTE), entries[:, 8], tf.zeros_like(kind))
    value = tf.where(tf.equal(kind, _SHORT), number(entries[:, 8:10]), value)
    value = tf.where(tf.equal(kind, _LONG), number(entries[:, 8:12]), value)
    last = tf.pad(tf.boolean_mask(value, is_it), [[1, 0]], constant_values=1)[-1]
    return tf.where((last >= 1) & (last <= 8), tf.cast(last, tf.int32), 1)


def _is_one_of(value: tf.Tensor, known: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_any(tf.equal(value, tf.constant(known, tf.int64)))


def _bytes(encoded: tf.Tensor, at: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
    """Some bytes as int64 [count], zeros behind the end."""
    at = tf.minimum(at, _length(encoded))
    count = tf.cast(count, tf.int64)
    raw = tf.io.decode_raw(tf.strings.substr(encoded, at, count), tf.uint8)
    raw = tf.cast(raw, tf.int64)
    padded = tf.pad(raw, [[0, count - tf.size(raw, tf.int64)]])
    return tf.ensure_shape(padded, [tf.get_static_value(count)])


def _length(encoded: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.strings.length(encoded), tf.int64)


def _big(digits: tf.Tensor) -> tf.Tensor:
    """Bytes [..., N], the most significant first, as one number."""
    number = digits[..., 0]
    for place in range(1, digits.shape[-1]):
        number = number * 256 + digits[..., place]
    return number
