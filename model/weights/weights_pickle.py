"""Reads the pickles of Detectron2 checkpoints as data, without running them."""

import dataclasses
import io
import math
import pathlib
from typing import Any, Literal

import numpy as np

from model.weights import pickle_machine

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUFFER_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_WHAT = "a whole pickle of arrays"
_EXPECTED = "Expected a Detectron2 checkpoint"


def read(path: pathlib.Path) -> Any:
    """Reads dictionaries, lists, tuples, texts, numbers and arrays of numbers.

    Raises:
        WeightsError: the file is cut off or no pickle, or would call something that
            such data does not need.
    """
    again = f"{_EXPECTED}; if it is one, download it again."
    with pickle_machine.reading(path, _WHAT, again):
        stream = io.BytesIO(path.read_bytes())
        return pickle_machine.plain(pickle_machine.follow(path, stream, _VOCABULARY))


@dataclasses.dataclass
class _Kind(pickle_machine.UnderConstruction):
    """A NumPy number type under construction."""

    code: str
    byte_order: Literal["<", ">", "=", "|"] = "<"

    def change(self, state: Any) -> None:
        self.byte_order = state[1]

    def dtype(self) -> np.dtype:
        kind = np.dtype(self.code)
        if kind.kind not in "fiub":
            raise ValueError(f"an array of type {self.code!r}")
        return kind.newbyteorder(self.byte_order if self.byte_order in "<>" else "=")


@dataclasses.dataclass
class _Array(pickle_machine.UnderConstruction):
    """An array under construction."""

    value: np.ndarray | None = None

    def change(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        self.value = _array(content, kind, shape, "F" if fortran else "C")

    def finished(self) -> np.ndarray:
        if self.value is None:
            raise ValueError("an array without content")
        return self.value


def _array(
    content: bytes | str, kind: _Kind, shape: tuple[int, ...], order: Literal["C", "F"]
) -> np.ndarray:
    dtype = kind.dtype()
    content = _bytes(content)
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"an array of shape {shape} has {len(content)} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def _bytes(content: bytes | str) -> bytes:
    """Python 2 wrote bytes as texts."""
    return content.encode("latin-1") if isinstance(content, str) else bytes(content)


def _makers() -> dict[pickle_machine.Name, Any]:
    """What stands for the functions that pickles of arrays name."""
    makers = {
        pickle_machine.Name("numpy", "dtype"): lambda code, *_: _Kind(code),
        pickle_machine.Name("_codecs", "encode"): lambda text, _: _bytes(text),
        pickle_machine.Name("__builtin__", "bytes"): lambda: (
            b""
        ),  # no bytes, in old protocols
        pickle_machine.Name("collections", "OrderedDict"): lambda items=(): dict(items),
    }
    for module in _ARRAY_MODULES:
        makers[pickle_machine.Name(module, "_reconstruct")] = lambda *_: _Array()
        makers[pickle_machine.Name(module, "scalar")] = lambda kind, content: _array(
            content, kind, (), "C"
        )
    for module in _BUFFER_MODULES:
        makers[pickle_machine.Name(module, "_frombuffer")] = (
            lambda content, kind, shape, order: _Array(
                _array(_bytes(content), kind, shape, order)
            )
        )
    return makers


_VOCABULARY = pickle_machine.Vocabulary(
    makers=_makers(),
    names=(pickle_machine.Name("numpy", "ndarray"),),
    expected=(
        f"{_EXPECTED}, a dictionary of NumPy arrays. What PyTorch itself wrote ends "
        "in .pth or .pt."
    ),
)
