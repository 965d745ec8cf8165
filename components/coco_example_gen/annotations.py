"""Reads the annotation files of a layout and checks what they say about each other."""

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from components.coco_example_gen import coco_json, consistency, layouts, problems
from pipeline import data_config, errors

SPLITS = ("train", "eval")


class PlannedObject(msgspec.Struct, frozen=True, gc=False):
    """One instance, its class resolved.

    Attributes:
        segmentation: JSON, as the file has it.
        bbox: as the file has it, x, y, width, height in px; None when absent.
        area: as the file has it, px²; None when absent.
    """

    annotation_id: int
    category_id: int
    category_name: str
    is_crowd: int
    segmentation: msgspec.Raw
    bbox: list[float | None] | None = None
    area: float | None = None


class PlannedImage(msgspec.Struct, frozen=True):
    """One picture with its instances, ascending by annotation_id.

    Attributes:
        source: which of the split's sources it is of.
        embedded_in: LabelMe file that holds the picture; empty when it is a file.
    """

    image_id: int
    file_name: str
    height: int
    width: int
    objects: list[PlannedObject]
    source: int = 0
    embedded_in: str = ""


class ImageSource(msgspec.Struct, frozen=True):
    """Where to look for images.

    Attributes:
        root: no image may lie outside of it.
        folders: in the order they are tried.
    """

    root: str
    folders: list[str]


@dataclasses.dataclass(frozen=True)
class PlannedSplit:
    """Images ascending by id, and their annotations as compact as they were read.

    Attributes:
        annotations: by image id, ascending by id.
        categories: what each category_id of the files counts as.
    """

    name: str
    sources: tuple[ImageSource, ...]
    images: list[coco_json.CocoImage]
    annotations: Mapping[int, list[coco_json.CocoAnnotation]]
    categories: Mapping[int, coco_json.CocoCategory]

    def planned(self, first: int, last: int) -> list[PlannedImage]:
        """The images from index `first` up to `last`, which is not one of them."""
        return [
            PlannedImage(
                image.id,
                image.file_name,
                image.height,
                image.width,
                [self._object(a) for a in self.annotations.get(image.id, ())],
                image.root_index,
                image.embedded_in,
            )
            for image in self.images[first:last]
        ]

    def _object(self, annotation: coco_json.CocoAnnotation) -> PlannedObject:
        category = self.categories[annotation.category_id]
        return PlannedObject(
            annotation.id,
            category.id,
            category.name,
            int(annotation.iscrowd),
            annotation.segmentation,
            annotation.bbox,
            annotation.area,
        )


def read_splits(
    data: Sequence[layouts.Layout],
    settings: data_config.IngestSettings,
    log: problems.ProblemLog,
) -> list[PlannedSplit]:
    """Reads train and eval; splits the images when there is one file only.

    Args:
        data: the layout of each root.

    Raises:
        CocoFormatError: a file is not COCO, contradicts itself or the other one.
    """
    (layout,) = data
    for sentence in layout.ignored:
        log.add(
            problems.Problem("split_ignored", str(layout.root), sentence, "left out")
        )
    sources = layout.sources()
    files = {name: _file_of(layout, source) for name, source in sources.items()}
    contents = {
        name: coco_json.read(
            source.annotation_file, log, files[name], settings.max_annotation_bytes
        )
        for name, source in sources.items()
    }
    for name, content in contents.items():
        consistency.check_ids(files[name], content, log)
    _check_categories_agree(files, contents, log)
    log.raise_errors()
    for name, content in contents.items():
        consistency.note_oddities(files[name], content, log)
    categories = _merge_by_name(files, contents, log)
    log.raise_errors()
    return _split(layout, contents, categories, settings)


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


def _check_categories_agree(
    files: Mapping[str, str],
    contents: Mapping[str, coco_json.CocoInstances],
    log: problems.ProblemLog,
) -> None:
    """Leaves annotations of the eval split out whose class is another in training."""
    if "eval" not in contents:
        return
    names = {c.id: _plain(c.name) for c in contents["train"].categories}
    held_out, conflicting = contents["eval"], set()
    for category in held_out.categories:
        name = _plain(category.name)
        known = names.get(category.id, name)
        if known != name:
            conflicting.add(category.id)
            message = (
                f"category {category.id} is {name!r} here and {known!r} in "
                f"{files['train']}; give both files the same categories"
            )
            action = "its annotations are left out"
            log.add(
                problems.Problem("category_conflict", files["eval"], message, action)
            )
    if conflicting:
        held_out.categories = [
            c for c in held_out.categories if c.id not in conflicting
        ]
        held_out.annotations = [
            a for a in held_out.annotations if a.category_id not in conflicting
        ]


def _merge_by_name(
    files: Mapping[str, str],
    contents: Mapping[str, coco_json.CocoInstances],
    log: problems.ProblemLog,
) -> dict[int, coco_json.CocoCategory]:
    """What each category_id counts as: equal names are one class.

    The class goes by the lowest id of its name that has annotations.
    """
    used = {a.category_id for c in contents.values() for a in c.annotations}
    ids_of_name = collections.defaultdict(set)
    for content in contents.values():
        for category in content.categories:
            ids_of_name[_plain(category.name)].add(category.id)
    merged = {}
    for name, ids in ids_of_name.items():
        kept = min(ids & used or ids)
        merged |= {i: coco_json.CocoCategory(id=kept, name=name) for i in ids}
    for split, content in contents.items():
        names = collections.Counter(_plain(c.name) for c in content.categories)
        for name, count in names.items():
            if count > 1:
                ids = {c.id for c in content.categories if _plain(c.name) == name}
                message = f"categories {consistency.few(ids)} are all named {name!r}"
                action = f"all count as category {min(ids_of_name[name] & used or ids)}"
                log.add(
                    problems.Problem(
                        "duplicate_category_name", files[split], message, action
                    )
                )
    return merged


def _plain(name: str) -> str:
    return " ".join(name.split())


def _split(
    layout: layouts.Layout,
    contents: Mapping[str, coco_json.CocoInstances],
    categories: Mapping[int, coco_json.CocoCategory],
    settings: data_config.IngestSettings,
) -> list[PlannedSplit]:
    images, by_image = {}, {}
    for name, content in contents.items():
        images[name] = sorted(content.images, key=lambda image: image.id)
        by_image[name] = collections.defaultdict(list)
        for annotation in sorted(content.annotations, key=lambda each: each.id):
            by_image[name][annotation.image_id].append(annotation)
    if "eval" not in contents:
        together = images["train"]
        held_out = choose_eval_ids(
            [i.id for i in together], settings.eval_fraction, settings.split_seed
        )
        images["train"] = [i for i in together if i.id not in held_out]
        images["eval"] = [i for i in together if i.id in held_out]
    planned = []
    for name in SPLITS:
        source = layout.sources().get(name, layout.train)
        folders = [str(folder) for folder in source.image_folders]
        found = by_image.get(name, by_image["train"])
        sources = (ImageSource(str(layout.root), folders),)
        planned.append(PlannedSplit(name, sources, images[name], found, categories))
    return planned
