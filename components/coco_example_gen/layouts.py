"""Finds out how a folder of COCO data is laid out."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Sequence

from pipeline import errors

ROBOFLOW_FILE = "_annotations.coco.json"
_TRAIN_WORDS = ("train",)
_EVAL_WORDS = ("val", "eval")  # `val` is part of `valid`
_TEST_WORDS = ("test",)


@dataclasses.dataclass(frozen=True)
class SplitSource:
    """One annotation file and the folders its file names may be relative to.

    Attributes:
        image_folders: in the order they are tried.
    """

    annotation_file: pathlib.Path
    image_folders: tuple[pathlib.Path, ...]


@dataclasses.dataclass(frozen=True)
class Layout:
    """What was found.

    Attributes:
        name: `coco`, `roboflow` or `single`.
        root: no image may lie outside of it.
        eval: None when the training images have to be split.
        ignored: what was seen and is not used, one sentence each.
    """

    name: str
    root: pathlib.Path
    train: SplitSource
    eval: SplitSource | None
    ignored: tuple[str, ...] = ()


def detect(root: pathlib.Path, wanted: str = "auto") -> Layout:
    """Looks for each layout in turn, or for the wanted one only.

    Args:
        wanted: `auto`, `coco`, `roboflow` or `single`.

    Raises:
        CocoFormatError: the folder is missing, fits no layout or fits one twice.
    """
    if root.is_dir() and not os.access(root, os.R_OK | os.X_OK):
        raise errors.CocoFormatError(
            f"{root}: not readable by this user. Change its permissions."
        )
    if not root.is_dir():
        raise errors.CocoFormatError(
            f"{root}: no such folder. Give the folder that holds the annotations and "
            "the images."
        )
    finders = _FINDERS if wanted == "auto" else {wanted: _FINDERS[wanted]}
    for find in finders.values():
        layout = find(root)
        if layout is not None:
            return layout
    looked_for = "\n".join(f"  {name}: {_DESCRIPTIONS[name]}" for name in finders)
    seen = sorted(path.name for path in root.iterdir())[:10]
    raise errors.CocoFormatError(
        f"{root}: no COCO data found. Looked for\n{looked_for}\nbut the folder holds "
        f"{', '.join(seen) if seen else 'nothing'}. Arrange it in one of these ways."
    )


def _find_coco(root: pathlib.Path) -> Layout | None:
    folder = root / "annotations"
    files = sorted(folder.glob("instances_*.json")) or sorted(folder.glob("*.json"))
    train, held_out, ignored = _sort_out(files, lambda path: path.stem)
    if train is None:
        return None
    return Layout(
        "coco",
        root,
        _coco_source(root, train),
        None if held_out is None else _coco_source(root, held_out),
        ignored,
    )


def _coco_source(root: pathlib.Path, annotation_file: pathlib.Path) -> SplitSource:
    split = annotation_file.stem.removeprefix("instances_")
    folders = [root / split, root / "images" / split, root / "images", root]
    return SplitSource(annotation_file, _existing(folders))


def _find_roboflow(root: pathlib.Path) -> Layout | None:
    files = sorted(root.glob(f"*/{ROBOFLOW_FILE}"))
    train, held_out, ignored = _sort_out(files, lambda path: path.parent.name)
    if train is None:
        return None
    return Layout(
        "roboflow",
        root,
        SplitSource(train, (train.parent, root)),
        None if held_out is None else SplitSource(held_out, (held_out.parent, root)),
        ignored,
    )


def _find_single(root: pathlib.Path) -> Layout | None:
    files = _json_files(root) or _json_files(root / "annotations")
    if not files:
        return None
    if len(files) > 1:
        names = ", ".join(path.name for path in files[:10])
        raise errors.CocoFormatError(
            f"{root}: several annotation files and no telling which is for training: "
            f"{names}. Keep one, or name them annotations/instances_train.json and "
            "annotations/instances_val.json."
        )
    folders = _existing([root / "images", files[0].parent, root])
    return Layout("single", root, SplitSource(files[0], folders), None)


def _json_files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        path for path in folder.glob("*.json") if not path.name.startswith(".")
    )


def _sort_out(
    files: Sequence[pathlib.Path], name_of: Callable[[pathlib.Path], str]
) -> tuple[pathlib.Path | None, pathlib.Path | None, tuple[str, ...]]:
    """Finds the training file, the held-out one and says which are not used.

    A test split is used only when there is no validation split.
    """
    train = _with_word(files, name_of, _TRAIN_WORDS, "training")
    others = [path for path in files if path != train]
    held_out = _with_word(others, name_of, _EVAL_WORDS, "validation")
    if held_out is None:
        held_out = _with_word(others, name_of, _TEST_WORDS, "test")
    ignored = tuple(
        f"{path.parent.name}/{path.name} is not used"
        for path in others
        if path != held_out
    )
    return train, held_out, ignored


def _with_word(
    files: Sequence[pathlib.Path],
    name_of: Callable[[pathlib.Path], str],
    words: Sequence[str],
    purpose: str,
) -> pathlib.Path | None:
    found = [
        path for path in files if any(word in name_of(path).lower() for word in words)
    ]
    if len(found) > 1:
        names = ", ".join(f"{path.parent.name}/{path.name}" for path in found[:10])
        raise errors.CocoFormatError(
            f"{found[0].parent.parent}: {len(found)} annotation files look like the "
            f"{purpose} split: {names}. Keep one of them."
        )
    return found[0] if found else None


def _existing(folders: Sequence[pathlib.Path]) -> tuple[pathlib.Path, ...]:
    unique = dict.fromkeys(folders)
    return tuple(folder for folder in unique if folder.is_dir())


_FINDERS = {"coco": _find_coco, "roboflow": _find_roboflow, "single": _find_single}
_DESCRIPTIONS = {
    "coco": "annotations/instances_train*.json (and ..._val*.json) beside folders of "
    "images",
    "roboflow": f"train/{ROBOFLOW_FILE} (and valid/{ROBOFLOW_FILE}) beside the images",
    "single": "one .json file, with the images beside it or in images/",
}
