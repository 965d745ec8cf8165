"""COCO's compressed text of run lengths: 5 bits a character, low bits first.

pycocotools reads it into dense masks only, each as large as its picture.
"""

import ast
from collections.abc import Sequence

import numpy as np

_ZERO = 48  # the character "0" stands for five bits of 0
_MORE = 32  # the bit that says that the number goes on
_LONGEST = 7  # characters: 35 bits hold any run of an image below 2**32 pixels


class RleTextError(ValueError):
    """A text that COCO's compression does not write."""


def decode(counts: str | bytes) -> np.ndarray:
    """Reads one text, which may also be Python's spelling of bytes.

    Returns:
        int64 [runs].

    Raises:
        RleTextError: characters outside `0`..`o`, an unfinished or an oversized number.
    """
    if isinstance(counts, str):
        # "b'...'" is what Python makes of bytes that are written as text.
        is_bytes_text = counts[:2] in ("b'", 'b"') and counts[-1:] == counts[1]
        counts = (
            _bytes_of(counts)
            if is_bytes_text
            else counts.encode("utf-8", "surrogatepass")
        )
    return decode_all([counts])[0] if counts else np.zeros([0], np.int64)


def decode_all(texts: Sequence[bytes]) -> list[np.ndarray]:
    """Reads several texts at once, none of them empty.

    Returns:
        int64 [runs] of each.

    Raises:
        RleTextError: as `decode`, of any of them.
    """
    if not texts:
        return []
    numbers, sizes = _numbers(texts)
    bounds = np.cumsum(sizes)
    starts = bounds - sizes
    # From the fourth on (index 3), a number is the difference to the one two before;
    # the first stands alone, so the third starts the chain of the even ones.
    position = np.arange(numbers.size) - np.repeat(starts, sizes)
    is_odd = position % 2 == 1
    alone = numbers[starts]
    numbers[starts] = 0
    numbers[is_odd] = _sums_within(numbers[is_odd], sizes // 2)
    numbers[~is_odd] = _sums_within(numbers[~is_odd], sizes - sizes // 2)
    numbers[starts] = alone
    return np.split(numbers, bounds[:-1])


def _numbers(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """The signed numbers in all texts, int64, and how many each text holds."""
    # Characters below the zero become 208 and more.
    codes = np.frombuffer(b"".join(texts), np.uint8) - np.uint8(_ZERO)
    if codes.max() >= 2 * _MORE:
        raise RleTextError("compressed RLE counts hold a character COCO does not use")
    ends = np.cumsum([len(text) for text in texts]) - 1
    if (codes[ends] >= _MORE).any():
        raise RleTextError("compressed RLE counts end in the middle of a number")
    last = np.flatnonzero(codes < _MORE)
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > _LONGEST:
        raise RleTextError("compressed RLE counts hold a number above 32 bits")
    place = np.arange(codes.size) - np.repeat(first, lengths)
    numbers = np.add.reduceat((codes & (_MORE - 1)) << (5 * place), first)
    sign = np.int64(1) << (5 * lengths - 1)
    sizes = np.diff(np.searchsorted(last, ends), prepend=-1)
    return (numbers ^ sign) - sign, sizes


def _sums_within(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Cumulative sums that start anew with each of the parts of these sizes."""
    sums = np.concatenate([[0], np.cumsum(values)])
    starts = np.cumsum(sizes) - sizes
    return sums[1:] - np.repeat(sums[starts], sizes)


def _bytes_of(text: str) -> bytes:
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, bytes):
        raise RleTextError(
            "RLE counts are a text that looks like Python bytes and is not"
        )
    return value
