"""Finds out how a folder of annotated images is laid out."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Sequence

from components.coco_example_gen.read import layout_finders, sources
from foundation import errors

Layout = sources.Layout
SplitSource = sources.SplitSource


def detect(root: pathlib.Path, wanted: str = "auto") -> Layout:
    """Looks for each layout in turn, or for the wanted one only.

    Args:
        wanted: `auto` or the name of a layout.

    Raises:
        CocoFormatError: the folder is missing, fits no layout or fits one twice, or
            its annotations are a link out of it.
    """
    _require_folder(root)
    _require_utf8(root)
    known = layout_finders.FINDERS
    finders = known if wanted == "auto" else {wanted: known[wanted]}
    for find in finders.values():
        layout = find(root)
        if layout is not None:
            _require_inside(layout)
            return _told_apart(layout) if wanted == "auto" else layout
    looked_for = "\n".join(f"  {name}: {_DESCRIPTIONS[name]}" for name in finders)
    seen = sorted(path.name for path in root.iterdir())[:10]
    raise errors.CocoFormatError(
        f"{root}: no annotations found. Looked for\n{looked_for}\nbut the folder holds "
        f"{', '.join(seen) if seen else 'nothing'}. Arrange it in one of these ways."
    )


def detect_all(roots: Sequence[pathlib.Path], wanted: str = "auto") -> list[Layout]:
    """Detects the layout of each root; of several, each gets a prefix of its own.

    The prefix is the name of the folder, numbered when another is named the same.

    Args:
        wanted: as in `detect`, for all of them.

    Raises:
        CocoFormatError: as in `detect`, or a root lies inside of another.
    """
    for index, root in enumerate(roots):
        for other in (*roots[:index], *roots[index + 1 :]):
            if root.resolve().is_relative_to(other.resolve()):
                raise errors.CocoFormatError(
                    f"{root}: lies inside of {other} or is the same folder, so its "
                    "images would count twice. Give folders that lie apart."
                )
    found = [detect(root, wanted) for root in roots]
    if len(found) == 1:
        return found
    prefixes: list[str] = []
    for layout in found:
        name = layout.root.resolve().name
        numbered = (f"{name}-{number}/" for number in itertools.count(2))
        candidates = itertools.chain([f"{name}/"], numbered)
        prefixes.append(next(each for each in candidates if each not in prefixes))
    return [
        dataclasses.replace(layout, prefix=prefix)
        for layout, prefix in zip(found, prefixes, strict=True)
    ]


def _require_folder(root: pathlib.Path) -> None:
    if root.is_dir() and not os.access(root, os.R_OK | os.X_OK):
        raise errors.CocoFormatError(
            f"{root}: not readable by this user. Change its permissions."
        )
    if not root.is_dir():
        raise errors.CocoFormatError(
            f"{root}: no such folder. Give the folder that holds the annotations and "
            "the images."
        )


def _require_utf8(root: pathlib.Path) -> None:
    """Work files and reports hold paths as UTF-8."""
    try:
        str(root).encode()
    except UnicodeEncodeError:
        shown = str(root).encode(errors="replace").decode()
        raise errors.CocoFormatError(
            f"{shown}: the path has a character that is no UTF-8, shown as ?. Rename "
            "the folder, or give it by a link that has a plain name."
        ) from None


def _require_inside(layout: Layout) -> None:
    for source in layout.sources().values():
        target = source.annotation_file.resolve()
        if not target.is_relative_to(layout.root.resolve()):
            raise errors.CocoFormatError(
                f"{source.annotation_file}: links to {target}, outside of "
                f"{layout.root}. Copy it inside, or give the folder that holds both."
            )


def _told_apart(layout: Layout) -> Layout:
    """Sees that a folder does not hold the same data in two formats unnoticed."""
    root = layout.root
    if layout.name == "labelme":
        files = layout_finders.json_files(root)
        files += layout_finders.json_files(root / "annotations")
        coco_files = layout_finders.files_of_kind(files, "coco")
        if not coco_files:
            return layout
        raise errors.CocoFormatError(
            f"{root}: holds LabelMe files and a COCO file, "
            f"{coco_files[0].relative_to(root)}. Say which is meant with "
            "data.layout=labelme or data.layout=single."
        )
    own = {source.annotation_file for source in layout.sources().values()}
    others = (
        path
        for path in sources.json_files_below(root)
        if path not in own and path.parent != root / "annotations"
    )
    found = layout_finders.files_of_kind(others, "labelme")
    if not found:
        return layout
    note = (
        f"{found[0].relative_to(root)} is a LabelMe file and is not used, nor are "
        "those like it; data.layout=labelme reads them instead"
    )
    return dataclasses.replace(layout, ignored=(*layout.ignored, note))


_DESCRIPTIONS = {
    "coco": "annotations/instances_train*.json (and ..._val*.json) beside folders of "
    "images",
    "roboflow": f"train/{layout_finders.ROBOFLOW_FILE} (and valid/...) beside the "
    "images",
    "panoptic": "annotations/panoptic_*.json and a folder of PNGs of the same name",
    "labelme": "LabelMe's .json files, one for each picture, at any depth",
    "single": "one .json file, with the images beside it or in images/",
}
