"""Follows the instructions of a pickle that builds data, and no others.

A pickle is a program for a small stack machine that may call any function. Here its
instructions are only looked at (`pickletools`), and the few that build dictionaries,
texts, numbers and arrays are followed; nothing named in the file is ever looked up or
called. What stands for the names that a kind of file needs is given to the machine.
"""

import contextlib
import dataclasses
import pathlib
import pickletools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from foundation import errors

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
    "BINPERSID",
}


@dataclasses.dataclass(frozen=True)
class Name:
    """Something a pickle wants to import."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class UnderConstruction:
    """What a call stands for until its pickle has been read."""

    def change(self, state: Any) -> None:
        """Takes what the pickle says of it after it was made.

        Raises:
            TypeError: there is nothing to say of it.
        """
        raise TypeError(f"a change of {self!r}")

    def finished(self) -> np.ndarray:
        """What it has become.

        Raises:
            ValueError: it is no array, or has no content.
        """
        raise ValueError(f"{self!r} is no array")


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """What a kind of file may ask for.

    Attributes:
        makers: stands for the functions that it may call.
        names: that it may have besides, and not call.
        persistent: stands for what lies outside of the pickle; None refuses it.
        expected: ends the sentence that refuses a file.
    """

    makers: Mapping[Name, Callable[..., Any]]
    expected: str
    names: Collection[Name] = ()
    persistent: Callable[[Any], Any] | None = None


@contextlib.contextmanager
def reading(path: pathlib.Path, what: str, expected: str) -> Iterator[None]:
    """Says what is wrong with a file, in words for who has it.

    Args:
        what: the file should be, such as "a whole pickle of arrays".

    Raises:
        WeightsError: in place of what the machine raises.
    """
    try:
        yield
    except ValueError as error:
        reason = str(error)
    except (IndexError, KeyError, TypeError, AttributeError):
        # Those of the machine itself, which say nothing to who has the file.
        reason = "its instructions do not fit together, as in a file of another kind"
    except RecursionError as error:
        raise errors.WeightsError(f"{path}: its content is nested too deep") from error
    else:
        return
    raise errors.WeightsError(f"{path} is not {what}: {reason}. {expected}")


def follow(path: pathlib.Path, stream: BinaryIO, vocabulary: Vocabulary) -> Any:
    """What a pickle builds, with arrays under construction.

    Args:
        path: of the file, for messages.
        stream: is left behind the pickle.

    Raises:
        WeightsError: it asks for something that is not in the vocabulary.
        ValueError, IndexError, KeyError, TypeError, AttributeError: it is cut off, no
            pickle, or its instructions do not fit together: see `reading`.
    """
    machine = _Machine(path, vocabulary)
    for opcode, argument, _ in pickletools.genops(stream):
        machine.step(opcode.name, argument)
    return machine.stack[-1]


def plain(value: Any) -> Any:
    """Finished values in place of those under construction.

    Raises:
        ValueError: one of them has no content.
    """
    if isinstance(value, UnderConstruction):
        return value.finished()
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return value


class _Mark:
    """Where the items of a container start on the stack."""


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self, path: pathlib.Path, vocabulary: Vocabulary):
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._path = path
        self._vocabulary = vocabulary

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
        self.stack.append(self._known(Name(*argument.split(" ", 1))))

    def _stack_global(self, _) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self._known(Name(module, name)))

    def _reduce(self, _) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        if not isinstance(name, Name):
            raise self._refused(f"a call of {name!r}")
        self.stack.append(self._vocabulary.makers[name](*arguments))

    def _binpersid(self, _) -> None:
        if self._vocabulary.persistent is None:
            raise self._refused("the instruction BINPERSID")
        self.stack.append(self._vocabulary.persistent(self.stack.pop()))

    def _build(self, _) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, UnderConstruction):
            target.change(state)
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

    def _known(self, name: Name) -> Name:
        known = self._vocabulary
        if name not in known.makers and name not in known.names:
            raise self._refused(f"the name {name}")
        return name

    def _refused(self, what: str) -> errors.WeightsError:
        return errors.WeightsError(
            f"{self._path} was not read: it asks for {what}, which arrays of numbers "
            f"do not need and which could run code. {self._vocabulary.expected}"
        )
