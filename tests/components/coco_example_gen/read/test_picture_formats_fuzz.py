import io
import zlib

import made
import numpy as np
import pytest
from PIL import Image

CASES = 1000

# Sizes are changed at random, too.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


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
    chunks = (
        made.chunk(b"IHDR", bytes(head))
        + made.chunk(b"IDAT", data)
        + made.chunk(b"IEND", b"")
    )
    return made.PNG_HEAD + chunks


def mutated_chunks(content, generator):
    """Parts left out, doubled, moved, renamed or new, and all check sums right."""
    found, at = [], len(made.PNG_HEAD)
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    found.insert(1, (b"tEXt", b"a\0b"))
    for _ in range(generator.integers(1, 3)):
        at, other = generator.integers(len(found), size=2)
        kind, part = found[at]
        letter = generator.integers(4)
        renamed = kind[:letter] + generator.bytes(1) + kind[letter + 1 :]
        swapped = kind[:letter] + kind[letter:].swapcase()
        new = (kind, renamed, swapped, b"PLTE", b"ABCD")[generator.integers(5)]
        cut = generator.integers(len(part) + 1)
        change = generator.integers(4)
        if change == 0:
            found.insert(other, (new, part))
        elif change == 1:
            found[at : at + 1] = [(kind, part[:cut]), (new, part[cut:])]
        elif change == 2:
            found[at] = (new, part)
        else:
            found.insert(other, found.pop(at))
    return made.PNG_HEAD + b"".join(made.chunk(kind, part) for kind, part in found)


def mutated_tail(content, generator):
    """Parts and rubbish between the pixels and the end, then a few bytes changed."""
    markers = generator.integers(0xC0, 0x100, 3)
    if generator.random() < 0.8:
        markers = generator.choice([*range(0xE0, 0xF0), 0xFE], 3)
    parts = [made.segment(int(marker), generator.bytes(9)) for marker in markers]
    parts.append(generator.bytes(generator.integers(2)))
    changed = content[:-2] + b"".join(parts) + content[-2:]
    return mutated_jpeg(changed, generator) if generator.random() < 0.8 else changed


@pytest.mark.parametrize(
    ("original", "mutated"),
    [
        ({"name": "PNG"}, mutated_png),
        ({"name": "PNG", "compress_level": 0}, mutated_png),
        ({"name": "PNG"}, mutated_chunks),
        ({"name": "JPEG", "quality": 90}, mutated_jpeg),
        ({"name": "JPEG", "progressive": True}, mutated_jpeg),
        ({"name": "JPEG", "quality": 90}, mutated_tail),
        ({"name": "JPEG", "progressive": True}, mutated_tail),
    ],
)
def test_whatever_is_taken_for_plain_is_decoded_by_tensorflow(original, mutated):
    generator = np.random.default_rng(5)
    noise = generator.integers(0, 256, [9, 11, 3], np.uint8)
    content, taken = made.encoded(noise, **original), 0
    for _ in range(CASES):
        other = mutated(content, generator)
        try:
            image = Image.open(io.BytesIO(other))
            if image.width * image.height > 10_000:
                continue
            is_plain = made.plain_format(other) is not None
        except Exception:  # noqa: S112  what Pillow cannot decode never gets here
            continue
        if is_plain:
            taken += 1
            found = made.by_tensorflow(other)
            assert found.shape == made.by_pillow(other).shape
            if image.format == "PNG":
                np.testing.assert_array_equal(found, made.by_pillow(other))
    assert taken > CASES // 50
