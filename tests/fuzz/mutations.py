"""Breaks datasets: bytes at random, JSON along its structure, pictures in their heads.

Every choice is the dice's, so a case is repeated from its number.
"""

import base64
import binascii
import io
import json
import random
import struct
import zlib

import seeds
from PIL import Image

# A JSON text that Python's json would not write stands where its number is.
_VERBATIM = "@{}@"
_VERBATIM_TEXTS = (
    "[" * 900 + "]" * 900,
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 2_000 + "1" + "}" * 2_000,
    "1e999",
    "-1e999",
    "1" * 400,
    "0.0000000000000000000000001e-400",
    "NaN",
    "-Infinity",
    '"\\ud800"',
    '"\\u0000"',
    "01",
    "truth",
    '"',
    "\xff\xfe",
)
# {canary} is the folder outside of the root that nothing may read.
_PATHS = (
    "../canary/secret.png",
    "..\\canary\\secret.png",
    "train/../../canary/secret.png",
    "{canary}/secret.png",
    "file://{canary}/secret.png",
    "http://127.0.0.1:1/1.png",
    "C:\\secret.png",
    "1.png\0.jpg",
    "leaves",
    "leaves/secret.png",
    "link.png",
    "pipe.png",
    "a" * 5_000,
    "a/" * 3_000 + "1.png",
    ".",
    "..",
    "/",
    "~/secret.png",
    "\u202egnp.1",
    "<script>alert(1)</script>.png",
)
_VALUES = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -(2**63), 65_535, 65_536),
    *(0.5, -1.5, 1e18, 1e308, 5e-324, "", " ", "12", "1e3", "\n", "x", "b'0'"),
    *([], {}, [[]], [[[]]], [None], [1, 2, 3, 4], [[1e5] * 8], [["1"] * 6]),
    {"size": [16, 12], "counts": [192]},
    {"size": [16, 12], "counts": [2**62, 2**62]},
    {"size": [16, 12], "counts": [-1, 193]},
    {"size": [2**31, 2**31], "counts": "0"},
    {"size": [16, 12], "counts": "o" * 40 + "0"},
    {"size": [16, 12], "counts": "b'" + "(" * 500 + "'"},
    {"size": [16, 12]},
    {"panoptic": {"file": "../canary/secret.png", "segment_id": 1}},
    {"panoptic": {"file": "leaves/secret.png", "segment_id": 1}},
    {"panoptic": 3},
)
_SIZES = (0, 1, 255, 8_000, 16_000, 30_000, 65_535, 2**31 - 1, 2**32 - 1)


def apply(dataset: seeds.Dataset, rng: random.Random, canary: str) -> dict[str, bytes]:
    """Breaks one to four things.

    Returns:
        Path -> content of the files to write.
    """
    tables = [path for path, content in dataset.items() if isinstance(content, dict)]
    files = [path for path in dataset if path not in tables]
    if rng.random() < 0.2:  # of all texts, a few are names of files
        _lead_astray(dataset[rng.choice(tables)], rng, canary)
    broken = written(dataset)
    for path in rng.sample(tables, rng.randint(0, len(tables))):
        texts: list[str] = []
        for _ in range(rng.choice([1, 1, 2, 8])):
            dataset[path] = _mutated(dataset[path], rng, canary, texts)
        broken[path] = _to_json(dataset[path], texts, rng)
        if rng.random() < 0.1:
            broken[path] = broken_bytes(broken[path], rng)
    for path in rng.sample(files, rng.randint(0, min(2, len(files)))):
        broken[path] = broken_picture(broken[path], rng)
    return broken


def _lead_astray(table: dict, rng: random.Random, canary: str) -> None:
    """Makes one of the file names lead elsewhere."""
    rows = [table, *table.get("images", []), *table.get("annotations", [])]
    named = [
        (row, key) for row in rows for key in ("file_name", "imagePath") if key in row
    ]
    row, key = rng.choice(named)
    row[key] = rng.choice(_PATHS).format(canary=canary)


def written(dataset: seeds.Dataset) -> dict[str, bytes]:
    """A dataset as it is: path -> content of the files to write."""
    return {
        path: content if isinstance(content, bytes) else json.dumps(content).encode()
        for path, content in dataset.items()
    }


def _mutated(value: object, rng: random.Random, canary: str, texts: list[str]):
    """The same tree with one place of it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.93:
        key = rng.choice(list(value))
        change = rng.random()
        if change < 0.06:
            return {k: v for k, v in value.items() if k != key}
        if change < 0.09:
            return {**value, rng.choice(["id", "x" * 1000, "\0", key.upper()]): 1}
        return {**value, key: _mutated(value[key], rng, canary, texts)}
    if isinstance(value, list) and value and rng.random() < 0.93:
        index, change = rng.randrange(len(value)), rng.random()
        if change < 0.06:
            return value[:index] + value[index + 1 :]
        if change < 0.12:
            return [*value, *value[: index + 1]]
        changed = _mutated(value[index], rng, canary, texts)
        return [*value[:index], changed, *value[index + 1 :]]
    return _instead(value, rng, canary, texts)


def _instead(value: object, rng: random.Random, canary: str, texts: list[str]):
    choice = rng.random()
    if choice < 0.08:
        texts.append(rng.choice(_VERBATIM_TEXTS))
        return _VERBATIM.format(len(texts) - 1)
    if choice < 0.16:
        return [value]
    if choice < 0.22:
        return str(value)
    if isinstance(value, str):
        if choice < 0.55:
            return rng.choice(_PATHS).format(canary=canary)
        if choice < 0.85:
            return _broken_text(value, rng)
    if isinstance(value, int | float) and choice < 0.6:
        return value + rng.choice([-1, 1, 0.5, -1000, 1000, 10**6, 10**12])
    return rng.choice(_VALUES)


def _broken_text(text: str, rng: random.Random) -> str:
    """Breaks a picture inside a base64 text, else the text itself."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) > 40:
        return base64.b64encode(broken_picture(content, rng)).decode()
    return broken_bytes(text.encode(), rng).decode("latin-1")


def _to_json(value: object, texts: list[str], rng: random.Random) -> bytes:
    text = json.dumps(value)
    for index, verbatim in enumerate(texts):
        text = text.replace(f'"{_VERBATIM.format(index)}"', verbatim)
    if rng.random() < 0.1:  # json.dumps cannot repeat a key
        key = rng.choice(["id", "images", "file_name", "segmentation", "shapes"])
        text = text.replace(f'"{key}": ', f'"{key}": 0, "{key}": ')
    encoding = rng.choice(["utf-8"] * 8 + ["utf-8-sig", "utf-16", "latin-1"])
    return text.encode(encoding, "replace")


def broken_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flips, cuts, repeats or inserts bytes."""
    found = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 4, 16])):
        at = rng.randrange(len(found) + 1)
        length = rng.choice([1, 2, 4, 64])
        action = rng.randrange(6)
        if action == 0:
            del found[at:]
        elif action == 1:
            del found[at : at + length]
        elif action == 2:
            found[at:at] = found[at : at + length] * rng.choice([1, 2, 50])
        elif action == 3:
            found[at:at] = rng.randbytes(length)
        elif at < len(found):
            found[at] ^= 1 << rng.randrange(8)
    return bytes(found)


def broken_picture(content: bytes, rng: random.Random) -> bytes:
    """Breaks bytes, or writes another size where the head of the picture says it."""
    choice = rng.random()
    if choice < 0.01:
        return _bomb(rng)
    if choice < 0.5:
        return broken_bytes(content, rng)
    side = rng.choice([seeds.HEIGHT, seeds.WIDTH])
    places = [
        (at, form)
        for form in ("<H", ">H", "<I", ">I")
        for at in _found(content, struct.pack(form, side))
    ]
    if not places:
        return broken_bytes(content, rng)
    at, form = rng.choice(places)
    size = rng.choice(_SIZES) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
    changed = bytearray(content)
    struct.pack_into(form, changed, at, size)
    return with_check_sum(bytes(changed))


def _found(content: bytes, wanted: bytes) -> list[int]:
    places, at = [], content.find(wanted)
    while at >= 0:
        places.append(at)
        at = content.find(wanted, at + 1)
    return places


def with_check_sum(content: bytes) -> bytes:
    """Makes the head of a PNG agree with its check sum again."""
    if content[:4] != b"\x89PNG":
        return content
    return content[:29] + struct.pack(">I", zlib.crc32(content[12:29])) + content[33:]


def _bomb(rng: random.Random) -> bytes:
    """A small file that is as large a picture as is read by default."""
    mode = rng.choice(["1", "L", "RGB", "RGBA", "I;16"])
    buffer = io.BytesIO()
    image = Image.new(mode, (rng.choice([10_000, 12_000]), 9_900))
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
