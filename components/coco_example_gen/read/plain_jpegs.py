"""Tells at a look whether a file is a whole, plain JPEG, as nearly all pictures are.

Decoding a JPEG takes longer than all else that is done with it. A decoder can fail at
its tables, or for want of its end; errors in the code of the pixels merely change
pixels. So the tables are tried on a picture of one block, and the end is looked for.
"""

import io
import re
from collections.abc import Iterator

from PIL import Image

SCAN, END = 0xDA, 0xD9
SKIPPED = (*range(0xE0, 0xF0), 0xFE)  # of applications; comments
_START = b"\xff\xd8"
_FRAMES = (0xC0, 0xC1)  # Huffman-coded and sequential: one scan holds every pixel
_TABLES = (0xC4, 0xDB, 0xDD, 0xEE)  # Huffman, quantization, restarts, Adobe's colours
_SEVERAL = b"MPF\0"  # begins the part that says where further pictures are
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/"
_TURN = b"Orientation"
_ORIENTATION, _UPRIGHT = 0x0112, 1
_RGB = 3
_MOST_SIDE = 65_500  # px; libjpeg refuses more, though the format has room for 65,535
_MOST_SEGMENTS = 1000  # a long colour profile takes 255
# Inside the code of the pixels 0xff stands before a zero or a restart's number. One
# stands alone, as a restart does; more of 0xff are padding.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_ENOUGH_CODE = 4096  # bytes; one block of each colour has fewer


def size(content: bytes) -> tuple[int, int] | None:
    """Height and width in px of a JPEG that every decoder reads to its end.

    Args:
        content: of any file.

    Returns:
        None unless it is an 8-bit RGB JPEG of one sequential scan that says nothing
        of a turn or of further pictures, and is whole. It may be fine all the same.
    """
    parts = segments(content)
    header = _header(content, parts)
    if header is None:
        return None
    tables, frame, at = header
    marker, code_end, _ = next(parts, (None, at, at))
    if marker != END:
        return None
    code = content[at : min(at + _ENOUGH_CODE, code_end)]
    one_block = frame[:5] + b"\0\1\0\1" + frame[9:]
    sample = b"".join((_START, *tables[:-1], one_block, tables[-1], code, b"\xff\xd9"))
    try:
        Image.open(io.BytesIO(sample), formats=("JPEG",)).load()
    except Exception:  # a broken file makes Pillow raise nearly anything
        return None
    return int.from_bytes(frame[5:7], "big"), int.from_bytes(frame[7:9], "big")


def segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker of each part of a JPEG, up to its end, where it begins and ends.

    Between two parts there is nothing, or padding, or rubbish; behind a scan there is
    the code of its pixels. Nothing more is told from a part on that is cut, nor from
    the thousandth.
    """
    end = len(_START)
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(content, end)
        if found is None:
            return
        start, marker = found.start(), content[found.end() - 1]
        if marker == END:
            yield marker, start, found.end()
            return
        length = int.from_bytes(content[found.end() : found.end() + 2], "big")
        end = found.end() + length
        if length < 2 or end > len(content):
            return
        yield marker, start, end


def _header(
    content: bytes, parts: Iterator[tuple[int, int, int]]
) -> tuple[list[bytes], bytes, int] | None:
    """The segments that decoding needs, the scan's last; the frame; where pixels begin.

    Segments are whole: marker, length and content. `parts` goes on behind the scan.
    """
    if not content.startswith(_START):
        return None
    tables, frame, at = [], b"", len(_START)
    for marker, start, end in parts:
        segment = content[start:end]
        if start != at:
            return None
        if marker in _FRAMES and not frame and _is_plain_frame(segment):
            frame = segment
        elif marker == SCAN and frame and _holds_all_colours(segment):
            return [*tables, segment], frame, end
        elif marker in _TABLES:
            tables.append(segment)
        elif marker not in SKIPPED or _says_more(segment[4:]):
            return None
        at = end
    return None


def _says_more(told: bytes) -> bool:
    """Is the picture turned, or one of several?"""
    if told.startswith(_EXIF):
        try:
            exif = Image.Exif()
            exif.load(told)
            return exif.get(_ORIENTATION, _UPRIGHT) != _UPRIGHT
        except Exception:  # a broken part makes Pillow raise nearly anything
            return True
    return told.startswith(_SEVERAL) or (told.startswith(_XMP) and _TURN in told)


def _is_plain_frame(segment: bytes) -> bool:
    """8 bits, a size of its own that decoders take, three colours."""
    is_whole = len(segment) == 10 + 3 * _RGB
    sides = (segment[5:7], segment[7:9])
    has_size = all(0 < int.from_bytes(side, "big") <= _MOST_SIDE for side in sides)
    return is_whole and segment[4] == 8 and segment[9] == _RGB and has_size


def _holds_all_colours(scan: bytes) -> bool:
    return len(scan) == 8 + 2 * _RGB and scan[4] == _RGB
