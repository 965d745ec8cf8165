"""Tensors in the safetensors format: a JSON header, then raw bytes; nothing is run.

https://huggingface.co/docs/safetensors: 8 bytes of header length, a JSON object that
gives each tensor's type, shape and place, then the tensors without gaps.
"""

import json
import math
import pathlib
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from foundation import artifact_paths, errors

_MAX_HEADER_BYTES = 100_000_000  # the format's own limit
_METADATA = "__metadata__"
_BFLOAT16 = "BF16"
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    _BFLOAT16: "<u2",  # the upper half of a float32
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}


def read(path: artifact_paths.Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Reads all tensors, and the metadata that the writer put in.

    Returns:
        Arrays by name, bfloat16 as float32; texts by key.

    Raises:
        WeightsError: the file is no safetensors file, or is not all there.
    """
    content = path.read_bytes()
    header, start = _header(path, content)
    metadata = header.pop(_METADATA, {})
    tensors, expected = {}, 0
    places = sorted(header.items(), key=lambda item: _offsets(path, *item))
    for name, entry in places:
        first, end = _offsets(path, name, entry)
        if first != expected:
            raise _broken(path, f"{name!r} starts at byte {first}, not {expected}")
        expected = end
        if start + end > len(content):
            missing = start + end - len(content)
            raise _broken(path, f"it ends {missing} bytes before the end of {name!r}")
        tensors[name] = _tensor(path, name, entry, content[start + first : start + end])
    if start + expected != len(content):
        left = len(content) - start - expected
        raise _broken(path, f"{left} bytes follow the last tensor")
    return tensors, {str(key): str(value) for key, value in metadata.items()}


def write(
    path: pathlib.Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Writes float32 tensors in the order of their names, whole or not at all.

    Equal tensors and metadata give equal bytes.
    """
    header: dict[str, object] = {_METADATA: dict(sorted(metadata.items()))}
    place = 0
    for name, value in sorted(tensors.items()):
        size = 4 * math.prod(value.shape)
        header[name] = {
            "dtype": "F32",
            "shape": list(value.shape),
            "data_offsets": [place, place + size],
        }
        place += size
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8 bytes
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _, value in sorted(tensors.items()):
                file.write(np.ascontiguousarray(value, "<f4").tobytes())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _header(path: artifact_paths.Path, content: bytes) -> tuple[dict[str, Any], int]:
    """The header's entries, and where the tensors start."""
    if len(content) < 8:
        raise _broken(path, f"it has {len(content)} bytes")
    (size,) = struct.unpack("<Q", content[:8])
    if size > min(_MAX_HEADER_BYTES, len(content) - 8):
        raise _broken(path, f"its header would have {size} bytes")
    try:
        header = json.loads(content[8 : 8 + size], object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"its header is not JSON ({error})") from error
    if not isinstance(header, dict) or not isinstance(header.get(_METADATA, {}), dict):
        raise _broken(path, "its header is not a JSON object")
    return header, 8 + size


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name appears twice")
    return entries


def _offsets(path: artifact_paths.Path, name: str, entry: Any) -> tuple[int, int]:
    """First byte and the byte after the last, counted from the first tensor."""
    shape = entry.get("shape") if isinstance(entry, dict) else None
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    numbers = [*shape, *offsets] if _lists(shape, offsets) else [-1]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise _broken(path, f"the entry of {name!r} has no valid shape and place")
    if len(offsets) != 2 or entry.get("dtype") not in _TYPES:
        raise _broken(
            path, f"{name!r} has type {entry.get('dtype')!r}, not one of {list(_TYPES)}"
        )
    return offsets[0], offsets[1]


def _lists(*values: Any) -> bool:
    return all(isinstance(value, list) for value in values)


def _tensor(
    path: artifact_paths.Path, name: str, entry: Any, content: bytes
) -> np.ndarray:
    kind, shape = np.dtype(_TYPES[entry["dtype"]]), entry["shape"]
    if math.prod(shape) * kind.itemsize != len(content):
        raise _broken(path, f"{name!r} has shape {shape} but {len(content)} bytes")
    values = np.frombuffer(content, kind).reshape(shape)
    if entry["dtype"] == _BFLOAT16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values


def _broken(path: artifact_paths.Path, why: str) -> errors.WeightsError:
    return errors.WeightsError(
        f"{path} is not a whole safetensors file: {why}. Download or convert it again."
    )
