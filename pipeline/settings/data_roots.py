"""Several data folders in one text, as a parameter of a pipeline on a cluster holds.

They are separated by colons, as in a search path: `/data/site_a:/data/site_b`. The
colon of `gs://bucket/data` separates nothing.
"""

import re

_SEPARATOR = re.compile(r":(?=/(?!/)|gs://)")


def parse(text: str) -> tuple[str, ...]:
    """The folders that a text names, in its order."""
    return tuple(_SEPARATOR.split(text))


def fixed_part(root: str) -> str:
    """The part of a folder's path before `{SPAN}` or `{VERSION}`."""
    return root.partition("{")[0]
