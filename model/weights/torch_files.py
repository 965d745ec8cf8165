"""Reads the checkpoints that PyTorch writes (.pth, .pt) as data, without PyTorch.

Since version 1.6 they are ZIP archives of a pickle and, each in a file of its own, the
numbers; before, five pickles follow each other, and then the numbers. The pickles are
followed as data; nothing that they name is called.
"""

import dataclasses
import io
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from foundation import errors
from model.weights import pickle_machine

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_WHAT = "a whole checkpoint of PyTorch"
_EXPECTED = (
    "If it is one, download it again, or have it read by a Python that has PyTorch: "
    "--torch-python /path/to/venv/bin/python."
)
_WRAPPERS = ("model", "state_dict", "model_state_dict", "state_dict_ema")
_BFLOAT16 = "BFloat16Storage"  # the upper half of a float32
_TYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    _BFLOAT16: "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the named tensors of a checkpoint.

    Returns:
        Arrays by name, bfloat16 as float32, without the `module.` that training on
        several devices puts before a name.

    Raises:
        WeightsError: the file is cut off, of another kind, would call something that
            tensors do not need, or holds none.
    """
    with pickle_machine.reading(path, _WHAT, _EXPECTED):
        content = path.read_bytes()
        is_archive = zipfile.is_zipfile(io.BytesIO(content))
        found = (_read_archive if is_archive else _read_stream)(path, content)
        tensors = {
            name.removeprefix("module."): pickle_machine.plain(value)
            for name, value in _unwrapped(found).items()
            if isinstance(value, _Tensor)
        }
    if not tensors:
        raise errors.WeightsError(f"{path} holds no named tensors")
    return tensors


def _unwrapped(content: Any) -> Mapping[str, Any]:
    """The names and tensors of a checkpoint that holds more than those."""
    if not isinstance(content, dict):
        return {}
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            content = content[wrapper]
            break
    return {name: value for name, value in content.items() if isinstance(name, str)}


@dataclasses.dataclass
class _Storage:
    """Numbers in a row, which tensors show parts of.

    Attributes:
        kind: one of `_TYPES`.
        length: how many there are.
        content: of the file, once it has been found.
    """

    kind: str
    length: int
    content: bytes | None = None

    def numbers(self) -> np.ndarray:
        if self.content is None:
            raise ValueError("a tensor without content")
        found = np.frombuffer(self.content, _TYPES[self.kind])
        if self.kind == _BFLOAT16:
            found = (found.astype(np.uint32) << 16).view(np.float32)
        return found


@dataclasses.dataclass
class _Tensor(pickle_machine.UnderConstruction):
    """A part of a storage, seen as an array: steps and offset are in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]

    def finished(self) -> np.ndarray:
        numbers = self.storage.numbers()
        sizes = (self.offset, *self.shape, *self.steps)
        if len(self.shape) != len(self.steps) or min(sizes) < 0:
            raise ValueError(f"a tensor of shape {self.shape} and steps {self.steps}")
        if 0 in self.shape:
            return np.zeros(self.shape, numbers.dtype)
        pairs = zip(self.shape, self.steps, strict=True)
        last = self.offset + sum((size - 1) * step for size, step in pairs)
        if last >= len(numbers):
            raise ValueError(
                f"a tensor of shape {self.shape} reaches beyond {len(numbers)} numbers"
            )
        strides = [step * numbers.itemsize for step in self.steps]
        view = np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, strides, writeable=False
        )
        return np.ascontiguousarray(view).reshape(self.shape)


def _read_archive(path: pathlib.Path, content: bytes) -> Any:
    """What a ZIP archive holds; its folder has any name."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (pickled,) = (
                name for name in archive.namelist() if name.endswith("/data.pkl")
            )
            folder = pickled.removesuffix("data.pkl")
            if f"{folder}byteorder" in archive.namelist():
                order = archive.read(f"{folder}byteorder").decode("ascii")
                if order != "little":
                    raise ValueError(f"its numbers are in {order} endian order")
            storages: dict[str, _Storage] = {}
            stream = io.BytesIO(archive.read(pickled))
            found = pickle_machine.follow(path, stream, _vocabulary(storages))
            for key, storage in storages.items():
                _fill(storage, archive.read(f"{folder}data/{key}"))
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise ValueError(str(error)) from error
    return found


def _read_stream(path: pathlib.Path, content: bytes) -> Any:
    """What the older form holds, in which everything follows each other."""
    stream = io.BytesIO(content)
    storages: dict[str, _Storage] = {}
    vocabulary = _vocabulary(storages)

    def pickled() -> Any:
        return pickle_machine.follow(path, stream, vocabulary)

    if (pickled(), pickled()) != (_MAGIC, _PROTOCOL):
        raise ValueError("it does not begin as one")
    if not pickled()["little_endian"]:
        raise ValueError("its numbers are in big endian order")
    found, keys = pickled(), pickled()
    for key in keys:
        storage = storages[key]
        length = int.from_bytes(_take(stream, 8), "little")
        if length != storage.length:
            raise ValueError(f"{length} numbers where {storage.length} belong")
        size = length * np.dtype(_TYPES[storage.kind]).itemsize
        _fill(storage, _take(stream, size))
    return found


def _take(stream: BinaryIO, size: int) -> bytes:
    found = stream.read(size)
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes where {size} belong")
    return found


def _fill(storage: _Storage, content: bytes) -> None:
    size = storage.length * np.dtype(_TYPES[storage.kind]).itemsize
    if len(content) != size:
        raise ValueError(f"{len(content)} bytes where {size} belong")
    storage.content = content


def _vocabulary(storages: dict[str, _Storage]) -> pickle_machine.Vocabulary:
    """What checkpoints of tensors ask for; their storages are noted by their keys."""

    def storage_of(identity: Any) -> _Storage:
        tag, kind, key, _, length = identity[:5]
        if tag != "storage" or any(part is not None for part in identity[5:]):
            raise ValueError(f"a part of a storage: {identity[5:]!r}")
        return storages.setdefault(key, _Storage(kind.name, int(length)))

    def tensor(storage: Any, offset: Any, shape: Any, steps: Any, *_) -> _Tensor:
        if not isinstance(storage, _Storage):
            raise ValueError(f"a tensor of {storage!r}")
        return _Tensor(
            storage, int(offset), tuple(map(int, shape)), tuple(map(int, steps))
        )

    name = pickle_machine.Name
    return pickle_machine.Vocabulary(
        makers={
            name("torch._utils", "_rebuild_tensor_v2"): tensor,
            name("torch._utils", "_rebuild_parameter"): lambda value, *_: value,
            name("collections", "OrderedDict"): lambda items=(): dict(items),
        },
        names={name("torch", kind) for kind in _TYPES},
        persistent=storage_of,
        expected=_EXPECTED,
    )
