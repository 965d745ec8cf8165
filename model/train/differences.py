"""What two trainings differ in, by the keys of their descriptions."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST = 5  # that a line lists
_LONGEST = 60  # characters of a value
Change = tuple[str, Any, Any]


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value
    return found


def between(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Key, value before and value now of all that changed."""
    return [
        (key, before.get(key), now.get(key))
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]


def told(changes: Sequence[Change]) -> str:
    """For people: `train.steps was 10 and is 20`."""
    texts = [f"{key} was {_short(a)} and is {_short(b)}" for key, a, b in changes]
    more = len(texts) - _MOST
    return ", ".join(texts[:_MOST]) + (f" and {more} more" if more > 0 else "")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"...{text[3 - _LONGEST :]}"
