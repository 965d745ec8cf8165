"""Reads the annotation files of a layout and checks what they say about each other."""

import collections
import dataclasses
import hashlib
import pathlib
from collections.abc import Iterable, Sequence

from components.coco_example_gen import coco_json, layouts, problems
from pipeline import errors

SPLITS = ("train", "eval")


@dataclasses.dataclass(frozen=True)
class PlannedObject:
    """One instance, its class resolved.

    Attributes:
        bbox: as the file has it, x, y, width, height in px; None when absent.
        area: as the file has it, px²; None when absent.
    """

    annotation_id: int
    category_id: int
    category_name: str
    is_crowd: int
    segmentation: list | dict | None
    bbox: list[float] | None
    area: float | None


@dataclasses.dataclass(frozen=True)
class PlannedImage:
    """One picture with its instances, ascending by annotation_id."""

    image_id: int
    file_name: str
    height: int
    width: int
    objects: list[PlannedObject]


@dataclasses.dataclass(frozen=True)
class PlannedSplit:
    """Images ascending by image_id, and where to look for them."""

    name: str
    source: layouts.SplitSource
    images: list[PlannedImage]


def read_splits(
    layout: layouts.Layout,
    eval_fraction: float,
    split_seed: int,
    log: problems.ProblemLog,
) -> list[PlannedSplit]:
    """Reads train and eval; splits the images when there is one file only.

    Raises:
        CocoFormatError: a file is not COCO, contradicts itself or the other one.
    """
    for sentence in layout.ignored:
        log.add(
            problems.Problem("split_ignored", str(layout.root), sentence, "left out")
        )
    sources = {"train": layout.train}
    if layout.eval is not None:
        sources["eval"] = layout.eval
    contents = {name: coco_json.read(s.annotation_file) for name, s in sources.items()}
    for name, content in contents.items():
        _check_ids(_file_of(layout, sources[name]), content, log)
    _check_categories_agree(layout, contents, log)
    log.raise_errors()
    for name, content in contents.items():
        _note_oddities(_file_of(layout, sources[name]), content, log)

    images = {name: _join(content) for name, content in contents.items()}
    if layout.eval is None:
        held_out = choose_eval_ids(
            [image.image_id for image in images["train"]], eval_fraction, split_seed
        )
        together = images["train"]
        images["train"] = [i for i in together if i.image_id not in held_out]
        images["eval"] = [i for i in together if i.image_id in held_out]
    return [
        PlannedSplit(name, sources.get(name, layout.train), images[name])
        for name in SPLITS
    ]


def choose_eval_ids(
    image_ids: Iterable[int], eval_fraction: float, seed: int
) -> set[int]:
    """Draws the held-out images by the hash of their ids, whatever their order.

    Returns:
        The nearest number of ids to `eval_fraction` of them that leaves at least one
        on each side.

    Raises:
        CocoFormatError: there are fewer than two images.
    """
    ranked = sorted(image_ids, key=lambda image_id: _lot(image_id, seed))
    if len(ranked) < 2:
        raise errors.CocoFormatError(
            f"the only annotation file lists {len(ranked)} image(s), and at least 2 "
            "are needed, one to train on and one to evaluate on. Add images."
        )
    number = min(max(round(len(ranked) * eval_fraction), 1), len(ranked) - 1)
    return set(ranked[:number])


def _lot(image_id: int, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{image_id}".encode()).digest()


def _file_of(layout: layouts.Layout, source: layouts.SplitSource) -> str:
    return str(source.annotation_file.relative_to(layout.root))


def _check_ids(
    file: str, content: coco_json.CocoInstances, log: problems.ProblemLog
) -> None:
    for what, rows in (
        ("image", content.images),
        ("annotation", content.annotations),
        ("category", content.categories),
    ):
        for repeated, count in collections.Counter(row.id for row in rows).items():
            if count > 1:
                message = f"{what} id {repeated} is used {count} times; make it unique"
                log.add(problems.Problem("duplicate_id", file, message, "stopped"))
    _check_references(file, content, log)
    for image in content.images:
        if leaves_its_folder(image.file_name):
            message = (
                f"file_name {image.file_name!r} is absolute or climbs out of the data "
                "folder; write it relative to the image folder"
            )
            log.add(problems.Problem("unsafe_path", file, message, "stopped", image.id))


def _check_references(
    file: str, content: coco_json.CocoInstances, log: problems.ProblemLog
) -> None:
    image_ids = {image.id for image in content.images}
    category_ids = {category.id for category in content.categories}
    for annotation in content.annotations:
        for what, wanted, known in (
            ("image_id", annotation.image_id, image_ids),
            ("category_id", annotation.category_id, category_ids),
        ):
            if wanted not in known:
                message = (
                    f"{what} {wanted} is not one of {_few(sorted(known))}; add it or "
                    "drop the annotation"
                )
                where = {"annotation_id": annotation.id}
                log.add(
                    problems.Problem("dangling_id", file, message, "stopped", **where)
                )


def leaves_its_folder(file_name: str) -> bool:
    """Is the name absolute, or does it hold `..`, on any operating system?"""
    path = pathlib.PureWindowsPath(file_name)  # knows both separators
    return bool(path.anchor) or ".." in path.parts or "\0" in file_name


def _check_categories_agree(
    layout: layouts.Layout,
    contents: dict[str, coco_json.CocoInstances],
    log: problems.ProblemLog,
) -> None:
    if "eval" not in contents or layout.eval is None:
        return
    names = {c.id: c.name for c in contents["train"].categories}
    for category in contents["eval"].categories:
        known = names.get(category.id, category.name)
        if known != category.name:
            message = (
                f"category {category.id} is {category.name!r} here and {known!r} in "
                f"{_file_of(layout, layout.train)}; give both files the same categories"
            )
            file = _file_of(layout, layout.eval)
            log.add(problems.Problem("category_conflict", file, message, "stopped"))


def _note_oddities(
    file: str, content: coco_json.CocoInstances, log: problems.ProblemLog
) -> None:
    used = collections.Counter(a.category_id for a in content.annotations)
    ids_of_name = collections.defaultdict(list)
    for category in content.categories:
        ids_of_name[category.name].append(category.id)
        if not used[category.id]:
            message = f"category {category.id} ({category.name!r}) has no annotation"
            log.add(problems.Problem("unused_category", file, message, "left out"))
        if category.id == 0:
            message = f"category {category.name!r} has id 0, which counts as any other"
            log.add(problems.Problem("category_id_zero", file, message, "kept"))
    for name, ids in ids_of_name.items():
        if len(ids) > 1:
            message = f"categories {_few(ids)} are all named {name!r}"
            action = "kept apart by their ids"
            log.add(problems.Problem("duplicate_category_name", file, message, action))
    for annotation in content.annotations:
        if annotation.id == 0:  # pycocotools takes a match with id 0 for no match
            new_id = _replacement_of_zero(content)
            message = "annotation id 0 counts as unmatched in pycocotools"
            log.add(
                problems.Problem(
                    "annotation_id_zero",
                    file,
                    message,
                    f"renumbered to {new_id}",
                    annotation.image_id,
                    0,
                )
            )


def _replacement_of_zero(content: coco_json.CocoInstances) -> int:
    return max(annotation.id for annotation in content.annotations) + 1


def _join(content: coco_json.CocoInstances) -> list[PlannedImage]:
    names = {c.id: " ".join(c.name.split()) for c in content.categories}
    zero = _replacement_of_zero(content) if content.annotations else 0
    objects = collections.defaultdict(list)
    for annotation in content.annotations:
        objects[annotation.image_id].append(
            PlannedObject(
                annotation.id or zero,
                annotation.category_id,
                names[annotation.category_id],
                annotation.iscrowd,
                annotation.segmentation,
                annotation.bbox,
                annotation.area,
            )
        )
    return [
        PlannedImage(
            image.id,
            image.file_name,
            image.height,
            image.width,
            sorted(objects[image.id], key=lambda planned: planned.annotation_id),
        )
        for image in sorted(content.images, key=lambda image: image.id)
    ]


def _few(values: Sequence[int]) -> str:
    shown = ", ".join(str(value) for value in values[:10])
    return shown if len(values) <= 10 else f"{shown}, ... ({len(values)} in all)"
