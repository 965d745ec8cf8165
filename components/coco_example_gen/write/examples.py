"""Builds the stored example of one image."""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import tensorflow as tf

from components.coco_example_gen import problems, safe_paths
from components.coco_example_gen.read import annotations, panoptic_masks, pictures
from components.coco_example_gen.write import figures
from model.examples import features, mask_rle

# Annotation tools round, and polygons differ from their pixels by half a pixel.
_BOX_TOLERANCE_PX = 2.0
_ROUNDING_PX = 0.01  # of coordinates written with two decimals
_AREA_TOLERANCE_PX2 = 20.0
_AREA_TOLERANCE_FRACTION = 0.1
_DEGENERATE = (
    "polygon(s) of fewer than 3 points, of odd length or with impossible coordinates"
)
_NO_RUNS = np.zeros([0], np.int64)
_EMPTY_LIST_BYTES = 2  # serialized size of a feature whose list holds nothing


@dataclasses.dataclass(frozen=True)
class DrawnObject:
    """An instance whose mask exists.

    Attributes:
        run_lengths: int64 [runs].
        box_xywh_px: tight box of the mask.
        area: px².
    """

    planned: annotations.PlannedObject
    run_lengths: np.ndarray
    box_xywh_px: tuple[int, int, int, int]
    area: int


def draw_objects(
    image: annotations.PlannedImage,
    root: pathlib.Path,
    file: str,
    log: problems.ProblemLog,
) -> list[DrawnObject]:
    """Rasterises the instances of an image; those without a mask are left out.

    Args:
        root: of the data; files of segments lie below it.
        file: the picture, below the root.
    """
    drawn = []
    for planned, found in _masks(image, root):

        def tell(
            kind: str,
            message: str,
            action: str,
            annotation_id: int = planned.annotation_id,
        ) -> None:
            ids = (image.image_id, annotation_id)
            log.add(problems.Problem(kind, file, message, action, *ids))

        if isinstance(found, Exception):
            tell(_kind_of(found), str(found), "left out")
            continue
        mask, dropped_polygons = found
        if dropped_polygons:
            message = f"{dropped_polygons} {_DEGENERATE}"
            tell("degenerate_polygon", message, "drawn without them")
        for kind, message in _disagreements(mask, image):
            tell(kind, message, "recomputed from the mask")
        if _covers(mask, image):
            share = mask.area / (image.height * image.width)
            tell("mask_covers_image", f"the mask covers {share:.1%}", "kept")
        drawn.append(mask)
    return drawn


def _kind_of(error: Exception) -> str:
    """The kind of problem that an instance without a mask is."""
    if isinstance(error, safe_paths.LeavesRootError):
        return "unsafe_path"
    is_empty = isinstance(error, mask_rle.EmptyMaskError)
    return "empty_mask" if is_empty else "bad_segmentation"


def _masks(
    image: annotations.PlannedImage, root: pathlib.Path
) -> Iterator[tuple[annotations.PlannedObject, tuple[DrawnObject, int] | Exception]]:
    """Every object with its mask and the polygons left out of it, or why it has none.

    The masks of an image are made together, which takes a third of the time.
    """
    found = _runs(image, root)
    made = [each[0] for each in found if not isinstance(each, Exception)]
    areas, boxes = mask_rle.measure(made, image.height)
    measures = zip(areas.tolist(), map(tuple, boxes.tolist()), strict=True)
    for planned, each in zip(image.objects, found, strict=True):
        if isinstance(each, Exception):
            yield planned, each
            continue
        runs, dropped_polygons = each
        area, box = next(measures)
        yield planned, (DrawnObject(planned, runs, box, area), dropped_polygons)


def _runs(
    image: annotations.PlannedImage, root: pathlib.Path
) -> list[tuple[np.ndarray, int] | Exception]:
    """For each object its run lengths and the polygons left out, or an error."""
    found: list = [None] * len(image.objects)
    plain = {}
    for index, planned in enumerate(image.objects):
        try:
            value = _segmentation(planned.segmentation)
            if isinstance(value, dict) and "panoptic" in value:
                mask = panoptic_masks.mask(value, root, image.height, image.width)
                found[index] = mask_rle.runs_from_mask(mask), 0
            else:
                plain[index] = value
        except (mask_rle.MaskError, safe_paths.LeavesRootError) as error:
            found[index] = error
    read = mask_rle.runs_from_segmentations(
        list(plain.values()), image.height, image.width
    )
    for index, each in zip(plain, read, strict=True):
        found[index] = each
    return found


def _segmentation(raw: msgspec.Raw) -> object:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise mask_rle.MaskError(f"segmentation is not JSON: {error}") from None
    if value is None:
        raise mask_rle.EmptyMaskError("there is no segmentation")
    return value


def _disagreements(
    drawn: DrawnObject, image: annotations.PlannedImage
) -> list[tuple[str, str]]:
    """Pairs of problem kind and message about the file's own bbox and area."""
    found = []
    bbox, area = drawn.planned.bbox, drawn.planned.area
    tight = list(drawn.box_xywh_px)
    if bbox is not None:
        sides = _sides(bbox)
        if sides is None:
            found.append(("bbox_recomputed", f"bbox {bbox}, wanted x, y, w, h"))
        elif _leaves(sides, image):
            message = f"bbox {bbox} leaves the image of {image.width} x {image.height}"
            found.append(("bbox_outside_image", f"{message} px, the mask's is {tight}"))
        elif _farthest(sides, _corners(*tight)) > _BOX_TOLERANCE_PX:
            found.append(("bbox_recomputed", f"bbox {bbox}, the mask's is {tight}"))
    tolerance = max(_AREA_TOLERANCE_PX2, _AREA_TOLERANCE_FRACTION * drawn.area)
    if area is not None and not abs(area - drawn.area) <= tolerance:
        message = f"area {area}, the mask has {drawn.area} pixels"
        found.append(("area_recomputed", message))
    return found


def _covers(drawn: DrawnObject, image: annotations.PlannedImage) -> bool:
    least = figures.WHOLE_IMAGE_SHARE * image.height * image.width
    return drawn.area >= least and not drawn.planned.is_crowd


def _sides(bbox: Sequence[float | None]) -> tuple[float, ...] | None:
    """Left, top, right and bottom, px; None of a box that has not four numbers."""
    numbers = [number for number in bbox if number is not None]
    return _corners(*numbers) if len(bbox) == len(numbers) == 4 else None


def _corners(
    x: float, y: float, width: float, height: float
) -> tuple[float, float, float, float]:
    return x, y, x + width, y + height


def _farthest(sides: Sequence[float], others: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(sides, others, strict=True))


def _leaves(sides: Sequence[float], image: annotations.PlannedImage) -> bool:
    left, top, right, bottom = sides
    beyond = max(-left, -top, right - image.width, bottom - image.height)
    return beyond > _ROUNDING_PX


def build(
    image: annotations.PlannedImage,
    picture: pictures.Picture,
    file_name: str,
    drawn: list[DrawnObject],
) -> bytes:
    """Serializes one tf.Example with the keys of `model.features`.

    Args:
        file_name: below the data root.

    Returns:
        Equal bytes for equal arguments.
    """
    feature = {
        **_image_features(image, picture, file_name),
        **_object_features(image, drawn),
    }
    # Empty lists would count as values of 0 in the statistics of a split without any
    # object; a missing feature does not.
    kept = {key: f for key, f in feature.items() if f.ByteSize() > _EMPTY_LIST_BYTES}
    example = tf.train.Example(features=tf.train.Features(feature=kept))
    return example.SerializeToString(deterministic=True)


def _image_features(
    image: annotations.PlannedImage, picture: pictures.Picture, file_name: str
) -> dict[str, tf.train.Feature]:
    return {
        features.IMAGE_ENCODED: _bytes([picture.encoded]),
        features.IMAGE_FORMAT: _bytes([picture.image_format.encode()]),
        features.IMAGE_FILENAME: _bytes([file_name.encode("utf-8", "replace")]),
        features.IMAGE_ID: _int64([image.image_id]),
        features.IMAGE_HEIGHT: _int64([image.height]),
        features.IMAGE_WIDTH: _int64([image.width]),
        features.IMAGE_SHA256: _bytes([picture.sha256.encode()]),
    }


def _object_features(
    image: annotations.PlannedImage, drawn: list[DrawnObject]
) -> dict[str, tf.train.Feature]:
    planned = [d.planned for d in drawn]
    runs = [d.run_lengths for d in drawn]
    boxes = np.array([d.box_xywh_px for d in drawn], np.float64).reshape(-1, 4)
    x, y, width, height = boxes.T
    return {
        features.ANNOTATION_ID: _int64([p.annotation_id for p in planned]),
        features.CATEGORY_ID: _int64([p.category_id for p in planned]),
        features.CATEGORY_NAME: _bytes([p.category_name.encode() for p in planned]),
        features.BOX_XMIN: _float(x / image.width),
        features.BOX_XMAX: _float((x + width) / image.width),
        features.BOX_YMIN: _float(y / image.height),
        features.BOX_YMAX: _float((y + height) / image.height),
        features.AREA: _float([d.area for d in drawn]),
        features.IS_CROWD: _int64([p.is_crowd for p in planned]),
        features.NUM_RUNS: _int64([r.size for r in runs]),
        features.RUN_LENGTHS: _int64(np.concatenate([*runs, _NO_RUNS]).tolist()),
    }


def _bytes(values: list[bytes]) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _int64(values: list[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _float(values: list[float] | np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))
