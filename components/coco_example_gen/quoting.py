"""Quotes texts of the data in messages: whole, but for the middle of very long ones.

A name in an annotation file can be of any length, and a message names twenty of them.
"""

_LONGEST_NAME = 200  # characters; names of pictures are seldom half as long
_GAP = "..."


def short(text: str, longest: int) -> str:
    """A text of at most so many characters: the beginning and the end of a longer one.

    Args:
        longest: characters.
    """
    if len(text) <= longest:
        return text
    at_end = (longest - len(_GAP)) // 2
    return f"{text[: longest - len(_GAP) - at_end]}{_GAP}{text[-at_end:]}"


def quoted(name: str) -> str:
    """A name as Python writes it, at a length at which the sentence stays readable."""
    return repr(short(name, _LONGEST_NAME))
