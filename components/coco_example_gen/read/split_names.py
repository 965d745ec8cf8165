"""Tells training, validation and test data apart by the names of files and folders."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

from foundation import errors

_TRAIN_WORDS = ("train",)
_EVAL_WORDS = ("val", "eval")  # `val` is part of `valid`
_TEST_WORDS = ("test",)
# A folder of LabelMe files may be named anything, `trains` too, so its whole name
# has to be one of these.
_FOLDER_NAMES = {
    "train": {"train", "training"},
    "eval": {"val", "valid", "validation", "eval"},
    "test": {"test", "testing"},
}


@dataclasses.dataclass(frozen=True)
class Sorted:
    """Which of several paths is for what.

    Attributes:
        ignored: what is not used, one sentence each.
    """

    train: pathlib.Path | None
    eval: pathlib.Path | None
    ignored: tuple[str, ...] = ()


def sort_files(
    root: pathlib.Path,
    files: Sequence[pathlib.Path],
    name_of: Callable[[pathlib.Path], str],
) -> Sorted:
    """Finds the training file and the held-out one by words in their names.

    A test split is used only when there is no validation split.

    Args:
        root: the folder below which all of them lie.

    Raises:
        CocoFormatError: two files look like the same split.
    """
    train = _with_word(root, files, name_of, _TRAIN_WORDS, "training")
    others = [path for path in files if path != train]
    held_out = _with_word(root, others, name_of, _EVAL_WORDS, "validation")
    if held_out is None:
        held_out = _with_word(root, others, name_of, _TEST_WORDS, "test")
    ignored = tuple(
        f"{path.relative_to(root)} is not used" for path in others if path != held_out
    )
    return Sorted(train, held_out, ignored)


def sort_folders(folders: Sequence[pathlib.Path]) -> Sorted:
    """Finds split folders by their whole names.

    Raises:
        CocoFormatError: two folders are named after the same split.
    """
    found: dict[str, pathlib.Path] = {}
    for split, names in _FOLDER_NAMES.items():
        named = [path for path in folders if path.name.lower() in names]
        if len(named) > 1:
            raise errors.CocoFormatError(
                f"{named[0].parent}: {' and '.join(path.name for path in named)} both "
                f"look like the {split} split. Keep one of them."
            )
        if named:
            found[split] = named[0]
    held_out = found.get("eval") or found.get("test")
    used = (found.get("train"), held_out)
    ignored = tuple(f"{path.name}/ is not used" for path in folders if path not in used)
    return Sorted(found.get("train"), held_out, ignored)


def _with_word(
    root: pathlib.Path,
    files: Sequence[pathlib.Path],
    name_of: Callable[[pathlib.Path], str],
    words: Sequence[str],
    purpose: str,
) -> pathlib.Path | None:
    found = [
        path for path in files if any(word in name_of(path).lower() for word in words)
    ]
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(root)) for path in found[:10])
        raise errors.CocoFormatError(
            f"{root}: {len(found)} annotation files look like the "
            f"{purpose} split: {names}. Keep one of them."
        )
    return found[0] if found else None
