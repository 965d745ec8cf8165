"""Texts that came from data, made harmless for a terminal."""

import unicodedata

_KEPT = "\n\t"
# Control characters, which can move the cursor or rename the window, and halves of
# characters, which no encoding writes.
_ESCAPED = ("Cc", "Cs")


def printable(text: str) -> str:
    """Writes what is no character to read as Python does: `\\x1b`."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _ESCAPED:
        return character
    return character.encode("unicode_escape").decode()
