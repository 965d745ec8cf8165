"""Reads the annotations of every root and lays down what is done with each image."""

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from components import wire
from components.coco_example_gen import ingest_settings, problems
from components.coco_example_gen.read import (
    class_names,
    coco_json,
    consistency,
    layouts,
    merging,
    readers,
)
from foundation import errors


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
        listed_segments: of panoptic files, see `coco_json.CocoImage`.
    """

    image_id: int
    file_name: str
    height: int
    width: int
    objects: list[PlannedObject]
    source: int = 0
    embedded_in: str = ""
    listed_segments: dict[str, list[int]] = msgspec.field(default_factory=dict)


class ImageSource(msgspec.Struct, frozen=True):
    """Where to look for images.

    Attributes:
        root: no image may lie outside of it.
        folders: in the order they are tried.
        prefix: stands before the names of its files when there are several roots.
    """

    root: str
    folders: list[str]
    prefix: str = ""


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
                image.listed_segments,
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
    settings: ingest_settings.IngestSettings,
    log: problems.ProblemLog,
) -> list[PlannedSplit]:
    """Reads train and eval of every root, and makes one dataset of them.

    A root without an eval split is split as it would be alone.

    Args:
        data: the layout of each root.

    Raises:
        CocoFormatError: a file is not of its format, contradicts itself or another.
    """
    contents = [_read_root(layout, settings, log) for layout in data]
    log.raise_errors()
    roots = []
    for layout, content in zip(data, contents, strict=True):
        files = _files_of(layout)
        for split, part in content.items():
            consistency.note_oddities(files[split], part, log)
        categories = class_names.by_name(files, content, log)
        held_out = _with_eval(content, settings, alone=len(data) == 1)
        roots.append(merging.Root(layout, held_out, categories))
    log.raise_errors()
    merged, categories = merging.merge(roots, log)
    return [_planned(name, data, merged[name], categories) for name in wire.SPLITS]


def _read_root(
    layout: layouts.Layout,
    settings: ingest_settings.IngestSettings,
    log: problems.ProblemLog,
) -> dict[str, coco_json.CocoInstances]:
    """Reads and checks the files of one root, by name of split."""
    for sentence in layout.ignored:
        place = layout.prefix or str(layout.root)
        log.add(problems.Problem("split_ignored", place, sentence, "left out"))
    files = _files_of(layout)
    contents = readers.read(layout, settings, log)
    for split, content in contents.items():
        consistency.check_ids(files[split], content, log)
    class_names.check_agreement(files, contents, log)
    return contents


def _files_of(layout: layouts.Layout) -> dict[str, str]:
    """What the log calls the annotations of each split."""
    return {
        split: layout.name_of(source.annotation_file)
        for split, source in layout.sources().items()
    }


def _with_eval(
    contents: Mapping[str, coco_json.CocoInstances],
    settings: ingest_settings.IngestSettings,
    alone: bool,
) -> dict[str, coco_json.CocoInstances]:
    """Contents of both splits; the eval split is drawn when there was none.

    Args:
        alone: no other root has images to evaluate on.
    """
    if wire.EVAL_SPLIT in contents:
        return dict(contents)
    together = contents[wire.TRAIN_SPLIT]
    ids = [image.id for image in together.images]
    chosen: set[int] = set()
    if alone or len(ids) > 1:
        chosen = choose_eval_ids(ids, settings.eval_fraction, settings.split_seed)
    parts = {}
    for name, is_held_out in ((wire.TRAIN_SPLIT, False), (wire.EVAL_SPLIT, True)):
        parts[name] = coco_json.CocoInstances(
            images=[i for i in together.images if (i.id in chosen) == is_held_out],
            annotations=[
                a for a in together.annotations if (a.image_id in chosen) == is_held_out
            ],
            categories=together.categories,
        )
    return parts


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


def _planned(
    name: str,
    data: Sequence[layouts.Layout],
    content: coco_json.CocoInstances,
    categories: Mapping[int, coco_json.CocoCategory],
) -> PlannedSplit:
    by_image = collections.defaultdict(list)
    for annotation in sorted(content.annotations, key=lambda each: each.id):
        by_image[annotation.image_id].append(annotation)
    sources = []
    for layout in data:
        source = layout.sources().get(name, layout.train)
        folders = [str(folder) for folder in source.image_folders]
        sources.append(ImageSource(str(layout.root), folders, layout.prefix))
    images = sorted(content.images, key=lambda image: image.id)
    return PlannedSplit(name, tuple(sources), images, by_image, categories)
