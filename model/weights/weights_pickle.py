"""Reads the pickles of Detectron2 checkpoints as data, without running them.

A pickle is a program for a small stack machine that may call any function. Here its
instructions are only looked at (`pickletools`), and the few that build dictionaries,
texts, numbers and NumPy arrays are followed; nothing named in the file is ever looked
up or called, while a `pickle.Unpickler` calls even where its names are restricted.
"""

import dataclasses
import math
import pathlib
import pickletools
from typing import Any, Literal

import numpy as np

from foundation import errors

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUFFER_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_PUSHED = {
    "INT",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG",
    "LONG1",
    "LONG4",
    "FLOAT",
    "BINFLOAT",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
    "BINBYTES",
    "SHORT_BINBYTES",
    "BINBYTES8",
    "BYTEARRAY8",
    "UNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STORES = {"PUT", "BINPUT", "LONG_BINPUT"}
_FETCHES = {"GET", "BINGET", "LONG_BINGET"}
_IGNORED = {"PROTO", "FRAME", "STOP"}
_FOLLOWED = {
    "MARK",
    "MEMOIZE",
    "POP",
    "TUPLE",
    "LIST",
    "DICT",
    "APPEND",
    "APPENDS",
    "SETITEM",
    "SETITEMS",
    "GLOBAL",
    "STACK_GLOBAL",
    "REDUCE",
    "BUILD",
}


def read(path: pathlib.Path) -> Any:
    """Reads dictionaries, lists, tuples, texts, numbers and arrays of numbers.

    Raises:
        WeightsError: the file is cut off or no pickle, or would call something that
            such data does not need.
    """
    machine = _Machine(path)
    try:
        for opcode, argument, _ in pickletools.genops(path.read_bytes()):
            machine.step(opcode.name, argument)
        return _plain(machine.stack[-1])
    except ValueError as error:
        raise _incomplete(path, str(error)) from error
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        # Those of the machine itself, which say nothing to who has the file.
        reason = "its instructions do not fit together, as in a file of another kind"
        raise _incomplete(path, reason) from error
    except RecursionError as error:
        raise errors.WeightsError(f"{path}: its content is nested too deep") from error


def _incomplete(path: pathlib.Path, reason: str) -> errors.WeightsError:
    return errors.WeightsError(
        f"{path} is not a whole pickle of arrays: {reason}. Expected a Detectron2 "
        "checkpoint; if it is one, download it again."
    )


@dataclasses.dataclass(frozen=True)
class _Name:
    """Something a pickle wants to import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclasses.dataclass
class _Kind:
    """A NumPy number type under construction."""

    code: str
    byte_order: Literal["<", ">", "=", "|"] = "<"

    def dtype(self) -> np.dtype:
        kind = np.dtype(self.code)
        if kind.kind not in "fiub":
            raise ValueError(f"an array of type {self.code!r}")
        return kind.newbyteorder(self.byte_order if self.byte_order in "<>" else "=")


@dataclasses.dataclass
class _Array:
    """An array under construction."""

    value: np.ndarray | None = None


class _Mark:
    """Where the items of a container start on the stack."""


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self, path: pathlib.Path):
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._path = path

    def step(self, name: str, argument: Any) -> None:
        """Follows one instruction.

        Raises:
            WeightsError: it is none of those that data needs.
        """
        if name in _PUSHED:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self.stack[-_TUPLES[name] :] = [tuple(self.stack[-_TUPLES[name] :])]
        elif name in _STORES:
            self._memo[int(argument)] = self.stack[-1]
        elif name in _FETCHES:
            self.stack.append(self._memo[int(argument)])
        elif name in _FOLLOWED:
            getattr(self, f"_{name.lower()}")(argument)
        elif name not in _IGNORED:
            raise self._refused(f"the instruction {name}")

    def _mark(self, _) -> None:
        self.stack.append(_Mark())

    def _memoize(self, _) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def _pop(self, _) -> None:
        self.stack.pop()

    def _tuple(self, _) -> None:
        self.stack.append(tuple(self._items()))

    def _list(self, _) -> None:
        self.stack.append(self._items())

    def _dict(self, _) -> None:
        items = self._items()
        self.stack.append(dict(zip(items[::2], items[1::2], strict=True)))

    def _append(self, _) -> None:
        item = self.stack.pop()
        self.stack[-1].append(item)

    def _appends(self, _) -> None:
        items = self._items()
        self.stack[-1].extend(items)

    def _setitem(self, _) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][key] = value

    def _setitems(self, _) -> None:
        items = self._items()
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _global(self, argument: str) -> None:
        self.stack.append(self._known(_Name(*argument.split(" ", 1))))

    def _stack_global(self, _) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self._known(_Name(module, name)))

    def _reduce(self, _) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, _Name):
            raise self._refused(f"a call of {name!r}")
        self.stack.append(_MAKERS[name](*arguments))

    def _build(self, _) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Array):
            target.value = _array_from_state(*state)
        elif isinstance(target, _Kind):
            target.byte_order = state[1]
        elif not isinstance(target, dict):  # an ordered dictionary's attributes
            raise self._refused(f"a change of {target!r}")

    def _items(self) -> list[Any]:
        """Takes everything above the last mark, and the mark, off the stack."""
        place = len(self.stack) - 1
        while not isinstance(self.stack[place], _Mark):
            place -= 1
            if place < 0:
                raise IndexError("a mark is missing")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def _known(self, name: _Name) -> _Name:
        if name not in _MAKERS and name != _Name("numpy", "ndarray"):
            raise self._refused(f"the name {name}")
        return name

    def _refused(self, what: str) -> errors.WeightsError:
        return errors.WeightsError(
            f"{self._path} was not read: it asks for {what}, which arrays of numbers "
            "do not need and which could run code. Expected a Detectron2 checkpoint, "
            "a dictionary of NumPy arrays; convert a .pth with --torch-python."
        )


def _array_from_state(
    _, shape: tuple[int, ...], kind: _Kind, fortran: bool, content: bytes | str
) -> np.ndarray:
    return _array(content, kind, shape, "F" if fortran else "C")


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


def _makers() -> dict[_Name, Any]:
    """What stands for the functions that pickles of arrays name."""
    makers = {
        _Name("numpy", "dtype"): lambda code, *_: _Kind(code),
        _Name("_codecs", "encode"): lambda text, _: _bytes(text),
        _Name("__builtin__", "bytes"): lambda: b"",  # no bytes, in old protocols
        _Name("collections", "OrderedDict"): lambda items=(): dict(items),
    }
    for module in _ARRAY_MODULES:
        makers[_Name(module, "_reconstruct")] = lambda *_: _Array()
        makers[_Name(module, "scalar")] = lambda kind, content: _array(
            content, kind, (), "C"
        )
    for module in _BUFFER_MODULES:
        makers[_Name(module, "_frombuffer")] = lambda content, kind, shape, order: (
            _Array(_array(_bytes(content), kind, shape, order))
        )
    return makers


_MAKERS = _makers()


def _plain(value: Any) -> Any:
    """Finished values in place of those under construction."""
    if isinstance(value, _Array):
        if value.value is None:
            raise ValueError("an array without content")
        return value.value
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value
