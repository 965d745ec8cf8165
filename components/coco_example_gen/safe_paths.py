"""Keeps the paths that annotations name inside of the data folder."""

import os
import pathlib

from components.coco_example_gen import quoting


class LeavesRootError(Exception):
    """A link inside of the data folder leads out of it; the message names both."""


def fault(name: str) -> str | None:
    """Says why a path from an annotation file is refused; None when it is not.

    Both separators and drive letters are looked for on every operating system, so
    that data which is refused on one is refused on all.
    """
    path = pathlib.PureWindowsPath(name)
    if "\0" in name:
        return "holds a NUL character"
    if "://" in name:
        return "is a URL, and nothing is ever fetched"
    if path.anchor:
        return "is absolute"
    if ".." in path.parts:
        return "climbs out of its folder with '..'"
    return None


def explain(key: str, name: str) -> str | None:
    """The whole message about the path that `key` holds; None when it is in order."""
    reason = fault(name)
    if reason is None:
        return None
    advice = pathlib.PureWindowsPath(name.replace("\0", "")).name or "1.jpg"
    return (
        f"{key} {quoting.quoted(name)} {reason}; write it relative to the image "
        f"folder, such as {quoting.quoted(advice)}, with the picture inside the data "
        "folder"
    )


def find(root: pathlib.Path, folders: list[str], name: str) -> pathlib.Path | None:
    """Looks for a file below each folder in turn.

    A name with the other system's separators is looked for as well.

    Args:
        root: the file must lie below it, links followed.
        name: without `fault`.

    Returns:
        None when there is no such file, or none that this user may look for.

    Raises:
        LeavesRootError: the file is a link that leaves the root.
    """
    names = dict.fromkeys((name, name.replace("\\", "/")))
    for each in names:
        for folder in folders:
            path = pathlib.Path(folder, each)
            try:
                if not path.is_file():
                    continue
            except (OSError, ValueError):  # no file system takes such a name
                continue
            # Texts, since this is done for every picture and paths are slow.
            target, inside = os.path.realpath(path), os.path.realpath(root)
            if os.path.commonpath((target, inside)) != inside:
                target = target.encode(errors="replace").decode()  # may be no UTF-8
                raise LeavesRootError(f"links to {target}, outside of {root}")
            return path
    return None
