"""One finder for each layout: says where its parts are, or that it is not there."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Sequence

from components.coco_example_gen.read import annotation_kinds, sources, split_names
from foundation import errors

ROBOFLOW_FILE = "_annotations.coco.json"
# How many JSON files are opened to see whether a folder holds LabelMe files: a few
# may be broken, or belong to something else.
_FILES_TO_TRY = 20


def _find_coco(root: pathlib.Path) -> sources.Layout | None:
    files, passed_over = _instance_files(root, root / "annotations")
    if not files:
        files, passed_over = _instance_files(root, root)
        if len(files) < 2:  # one file is another layout
            return None
    found = split_names.sort_files(root, files, lambda path: path.stem)
    if found.train is None:
        return None
    return sources.Layout(
        "coco",
        root,
        _coco_source(root, found.train),
        None if found.eval is None else _coco_source(root, found.eval),
        found.ignored + passed_over,
    )


def _find_roboflow(root: pathlib.Path) -> sources.Layout | None:
    found_files = root.glob(f"*/{ROBOFLOW_FILE}")
    files = sorted(path for path in found_files if path.is_file())
    found = split_names.sort_files(root, files, lambda path: path.parent.name)
    if found.train is None:
        alone = root / ROBOFLOW_FILE
        if files or not alone.is_file():
            return None
        return sources.Layout(
            "roboflow", root, sources.SplitSource(alone, (root,)), None
        )
    return sources.Layout(
        "roboflow",
        root,
        sources.SplitSource(found.train, (found.train.parent, root)),
        None
        if found.eval is None
        else sources.SplitSource(found.eval, (found.eval.parent, root)),
        found.ignored,
    )


def _find_panoptic(root: pathlib.Path) -> sources.Layout | None:
    everything = json_files(root / "annotations") + json_files(root)
    files = [path for path in everything if path.name.startswith("panoptic_")]
    files = files or files_of_kind(everything, "panoptic")
    if not files:
        return None
    if len(files) == 1:
        return sources.Layout("panoptic", root, _panoptic_source(root, files[0]), None)
    found = split_names.sort_files(root, files, lambda path: path.stem)
    if found.train is None:
        raise _several_files(root, files, "panoptic")
    return sources.Layout(
        "panoptic",
        root,
        _panoptic_source(root, found.train),
        None if found.eval is None else _panoptic_source(root, found.eval),
        found.ignored,
    )


def _find_labelme(root: pathlib.Path) -> sources.Layout | None:
    if not files_of_kind(sources.json_files_below(root), "labelme"):
        return None
    inside, leaving = _folders(root)
    folders = [
        path for path in inside if any(True for _ in sources.json_files_below(path))
    ]
    found = split_names.sort_folders(folders)
    links = tuple(
        f"{path.name} is a link out of the folder: not used" for path in leaving
    )
    if found.train is None:
        source = _labelme_source(root, root)
        return sources.Layout("labelme", root, source, None, links)
    loose = json_files(root)
    ignored = found.ignored + links
    if loose:
        ignored += (
            f"{len(loose)} JSON file(s) beside the split folders are not used, the "
            f"first is {loose[0].name}",
        )
    return sources.Layout(
        "labelme",
        root,
        _labelme_source(root, found.train),
        None if found.eval is None else _labelme_source(root, found.eval),
        ignored,
    )


def _folders(root: pathlib.Path) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """The folders of a root, and the links to folders outside of it."""
    inside, leaving = [], []
    for path in sorted(root.iterdir()):
        if path.is_dir():
            is_inside = path.resolve().is_relative_to(root.resolve())
            (inside if is_inside else leaving).append(path)
    return inside, leaving


def _find_single(root: pathlib.Path) -> sources.Layout | None:
    files, passed_over = _instance_files(root, root)
    if not files:
        files, passed_over = _instance_files(root, root / "annotations")
    if not files:
        return None
    if len(files) > 1:
        raise _several_files(root, files, "instances")
    source = _coco_source(root, files[0])
    folders = dict.fromkeys((*source.image_folders, files[0].parent))
    source = dataclasses.replace(source, image_folders=tuple(folders))
    return sources.Layout("single", root, source, None, passed_over)


def _several_files(
    root: pathlib.Path, files: Sequence[pathlib.Path], what: str
) -> errors.CocoFormatError:
    names = ", ".join(path.name for path in files[:10])
    return errors.CocoFormatError(
        f"{root}: several annotation files and no telling which is for training: "
        f"{names}. Keep one, or name them annotations/{what}_train.json and "
        f"annotations/{what}_val.json."
    )


def _instance_files(
    root: pathlib.Path, folder: pathlib.Path
) -> tuple[list[pathlib.Path], tuple[str, ...]]:
    """The files that may hold COCO instances, and a sentence on each that does not.

    Those named `instances_*` go before all others.
    """
    files = json_files(folder)
    if len(files) > _FILES_TO_TRY and files_of_kind(files, "labelme"):
        return [], ()  # there may be thousands: not the place of COCO files
    named = [path for path in files if path.name.startswith("instances_")]
    kept, passed_over = [], []
    for path in files:
        reason = annotation_kinds.why_not_instances(path)
        if reason is None and named and path not in named:
            reason = "something else beside files named instances_*.json"
        if reason is None:
            kept.append(path)
        else:
            name = path.relative_to(root)
            passed_over.append(f"{name} is not used, it holds {reason}")
    return kept, tuple(passed_over)


def json_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files ending in .json right inside a folder, but for hidden ones."""
    return sorted(
        path
        for path in folder.glob("*.json")
        if path.is_file() and not path.name.startswith(".")
    )


def files_of_kind(
    files: Iterable[pathlib.Path], kind: annotation_kinds.Kind
) -> list[pathlib.Path]:
    """Those of the first few files that are of a kind."""
    tried = itertools.islice(files, _FILES_TO_TRY)
    return [path for path in tried if annotation_kinds.kind_of(path) == kind]


def _coco_source(
    root: pathlib.Path, annotation_file: pathlib.Path
) -> sources.SplitSource:
    split = annotation_file.stem.removeprefix("instances_")
    return sources.SplitSource(annotation_file, _image_folders(root, split))


def _panoptic_source(
    root: pathlib.Path, annotation_file: pathlib.Path
) -> sources.SplitSource:
    name = annotation_file.stem
    folders = (annotation_file.parent / name, root / name)
    segment_folder = next((folder for folder in folders if folder.is_dir()), None)
    if segment_folder is None:
        raise errors.CocoFormatError(
            f"{annotation_file}: no folder of PNGs beside it: looked for "
            f"{' and '.join(os.path.relpath(f, root) for f in folders)}. Unpack the "
            "segment pictures into one of them."
        )
    split = name.removeprefix("panoptic_")
    return sources.SplitSource(
        annotation_file,
        _image_folders(root, split),
        "panoptic",
        segment_folder,
    )


def _labelme_source(root: pathlib.Path, folder: pathlib.Path) -> sources.SplitSource:
    return sources.SplitSource(folder, (root,), "labelme")


def _image_folders(root: pathlib.Path, split: str) -> tuple[pathlib.Path, ...]:
    images = root / "images"
    folders = [root / split, images / split, images, root]
    return tuple(folder for folder in dict.fromkeys(folders) if folder.is_dir())


FINDERS: dict[str, Callable[[pathlib.Path], sources.Layout | None]] = {
    "coco": _find_coco,
    "roboflow": _find_roboflow,
    "panoptic": _find_panoptic,
    "labelme": _find_labelme,
    "single": _find_single,
}
