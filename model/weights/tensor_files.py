"""Tensors in files of the safetensors format: a JSON header, then raw bytes; no code.

https://huggingface.co/docs/safetensors. Its package reads and writes them and finds
what is broken. It takes the last of two tensors of one name, gives no metadata for
bytes, and writes metadata in an order of chance: hence what is done to the header here.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from foundation import artifact_paths, errors

_LENGTH_BYTES = 8  # of the header, at the beginning of a file
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
_PREFIX = "Error while deserializing: "  # of the package's messages


def read(path: artifact_paths.Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Reads all tensors, and the metadata that the writer put in.

    Returns:
        Arrays by name, in the order of names, bfloat16 as float32; texts by key.

    Raises:
        WeightsError: the file is no safetensors file, or is not all there.
    """
    content = path.read_bytes()
    try:
        entries = dict(safetensors.deserialize(content))
        metadata = _header(content)[0].get(_METADATA) or {}
        return {name: _array(name, entries[name]) for name in sorted(entries)}, metadata
    except (safetensors.SafetensorError, ValueError) as error:
        why = str(error).removeprefix(_PREFIX)
        raise errors.WeightsError(
            f"{path}, of {len(content)} bytes, is not a whole safetensors file: {why}. "
            "Download or convert it again."
        ) from error


def write(
    path: pathlib.Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Writes float32 tensors in the order of their names, whole or not at all.

    Equal tensors and metadata give equal bytes.
    """
    # The package would write an array that is not contiguous in a wrong order.
    arrays = {
        name: np.asarray(value, np.float32, order="C")
        for name, value in tensors.items()
    }
    content = safetensors.numpy.save(arrays, dict(metadata))
    header, start = _header(content)
    header[_METADATA] = dict(sorted(metadata.items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8 bytes
    with artifact_paths.whole_file(path) as partial, partial.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
        file.write(memoryview(content)[start:])


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    """The header of a file that the package has found good, and where it ends.

    Raises:
        ValueError: a name appears twice in it.
    """
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    text = content[_LENGTH_BYTES:end]
    return json.loads(text, object_pairs_hook=_no_duplicates), end


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name appears twice")
    return entries


def _array(name: str, entry: Mapping[str, Any]) -> np.ndarray:
    """A tensor of the package as an array.

    Raises:
        ValueError: it is of a type or shape that NumPy has none for.
    """
    kind = entry["dtype"]
    if kind not in _TYPES:
        raise ValueError(f"{name!r} has type {kind!r}, not one of {list(_TYPES)}")
    values = np.frombuffer(entry["data"], _TYPES[kind]).reshape(entry["shape"])
    if kind == _BFLOAT16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values
