"""Reads COCO panoptic annotations: segments of countable classes become instances.

A segment's pixels are those of a PNG whose colour is the segment's id. Reading keeps
a reference to them; `panoptic_masks` draws them.
"""

import collections
import pathlib
from collections.abc import Iterator
from typing import Annotated, ClassVar, cast

import msgspec

from components.coco_example_gen import problems, safe_paths
from components.coco_example_gen.read import coco_json, json_faults, sources

_MAX_SEGMENT_ID = 2**24 - 1  # three bytes of colour


class Segment(msgspec.Struct, gc=False, kw_only=True):
    """One segment of an image; `area` and `bbox` are checked, not used."""

    id: Annotated[int, msgspec.Meta(ge=0, le=_MAX_SEGMENT_ID)]
    category_id: coco_json.Id
    iscrowd: Annotated[int, msgspec.Meta(ge=0, le=1)] | bool = 0
    area: float | None = None
    bbox: list[float | None] | None = None


class PanopticAnnotation(msgspec.Struct, gc=False, kw_only=True):
    """The segments of one image; `file_name` is that of their PNG."""

    image_id: coco_json.Id
    file_name: coco_json.Name
    segments_info: list[Segment]


class PanopticCategory(msgspec.Struct, gc=False, kw_only=True):
    """One class; those that are not things, such as sky, have no instances."""

    id: coco_json.Id
    name: coco_json.ClassName
    isthing: Annotated[int, msgspec.Meta(ge=0, le=1)] | bool = 1


class PanopticFile(json_faults.Tables):
    """A whole file; keys that are not named here are passed over."""

    FORMAT: ClassVar[str] = "COCO panoptic"
    images: list[coco_json.CocoImage]
    annotations: list[PanopticAnnotation]
    categories: list[PanopticCategory]


class Reference(msgspec.Struct):
    """Where the pixels of a segment are; takes the place of a segmentation.

    Attributes:
        file: the PNG, relative to the data root.
    """

    file: str
    segment_id: int


class PanopticSegmentation(msgspec.Struct):
    """The JSON of a segmentation that a `read` made."""

    panoptic: Reference


def read(
    layout: sources.Layout,
    source: sources.SplitSource,
    log: problems.ProblemLog,
    max_bytes: int,
) -> coco_json.CocoInstances:
    """Reads one file.

    Annotation ids count the segments from 1 in the order of the file, as segment ids
    are unique within their image only.

    Raises:
        CocoFormatError: not readable, not JSON, or not of the COCO panoptic format.
    """
    path = source.annotation_file
    file = layout.name_of(path)
    found = coco_json.decode(path, PanopticFile, log, file, max_bytes)
    coco_json.complete(path, PanopticFile, found.images)
    folder = cast(pathlib.Path, source.segment_folder).relative_to(layout.root)
    _keep_listed(found, folder)
    return coco_json.CocoInstances(
        images=found.images,
        annotations=_annotations(found, folder, file, log),
        categories=[
            coco_json.CocoCategory(id=category.id, name=category.name)
            for category in found.categories
            if category.isthing
        ],
    )


def _keep_listed(found: PanopticFile, folder: pathlib.Path) -> None:
    """Puts down beside each image what colours its PNGs may have."""
    listed: dict[int, dict[str, list[int]]] = collections.defaultdict(dict)
    for row in found.annotations:
        ids = [segment.id for segment in row.segments_info]
        place = (folder / row.file_name).as_posix()
        listed[row.image_id].setdefault(place, []).extend(ids)
    for image in found.images:
        image.listed_segments = listed[image.id]


def _annotations(
    found: PanopticFile,
    folder: pathlib.Path,
    file: str,
    log: problems.ProblemLog,
) -> list[coco_json.CocoAnnotation]:
    stuff = {category.id for category in found.categories if not category.isthing}
    annotations = []
    known: set[tuple[int, int]] = set()
    for image in found.annotations:
        message = safe_paths.explain("file_name", image.file_name)
        if message:
            where = {"image_id": image.image_id}
            log.add(problems.Problem("unsafe_path", file, message, "", **where))
            continue
        place = (folder / image.file_name).as_posix()
        for segment in _told_apart(image, known, file, log):
            if segment.category_id in stuff:
                continue
            reference = PanopticSegmentation(Reference(place, segment.id))
            annotations.append(
                coco_json.CocoAnnotation(
                    id=len(annotations) + 1,
                    image_id=image.image_id,
                    category_id=segment.category_id,
                    iscrowd=segment.iscrowd,
                    segmentation=msgspec.Raw(msgspec.json.encode(reference)),
                    bbox=segment.bbox,
                    area=segment.area,
                )
            )
    return annotations


def _told_apart(
    image: PanopticAnnotation,
    known: set[tuple[int, int]],
    file: str,
    log: problems.ProblemLog,
) -> Iterator[Segment]:
    """The segments of an image whose id was not used before.

    Args:
        known: image and segment ids; those of this image are added.
    """
    for segment in image.segments_info:
        ids = (image.image_id, segment.id)
        if ids in known:
            message = (
                f"segment id {segment.id} is used twice in the image; make it unique"
            )
            action = "the first is kept"
            log.add(
                problems.Problem("duplicate_id", file, message, action, image.image_id)
            )
            continue
        known.add(ids)
        yield segment
