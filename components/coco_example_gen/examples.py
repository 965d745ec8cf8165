"""Builds the stored example of one image."""

import dataclasses
import hashlib

import numpy as np
import tensorflow as tf

from components.coco_example_gen import annotations, pictures, problems
from model import features, mask_rle

# Annotation tools round, and polygons differ from their pixels by half a pixel.
_BOX_TOLERANCE_PX = 2.0
_AREA_TOLERANCE_PX2 = 20.0
_AREA_TOLERANCE_FRACTION = 0.1
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
    image: annotations.PlannedImage, file: str, log: problems.ProblemLog
) -> list[DrawnObject]:
    """Rasterises the instances of an image; those without a pixel are left out."""
    drawn = []
    for planned in image.objects:
        place = {
            "file": file,
            "image_id": image.image_id,
            "annotation_id": planned.annotation_id,
        }
        try:
            runs, dropped_polygons = mask_rle.runs_from_segmentation(
                planned.segmentation if planned.segmentation is not None else [],
                image.height,
                image.width,
            )
        except mask_rle.EmptyMaskError as error:
            log.add(
                problems.Problem(
                    "empty_mask", message=str(error), action="left out", **place
                )
            )
            continue
        except mask_rle.MaskError as error:
            log.add(
                problems.Problem(
                    "bad_segmentation", message=str(error), action="stopped", **place
                )
            )
            continue
        box = mask_rle.box_xywh_px(runs, image.height)
        found = DrawnObject(planned, runs, box, mask_rle.area(runs))
        for kind, message in _disagreements(found, dropped_polygons):
            log.add(
                problems.Problem(kind, message=message, action="recomputed", **place)
            )
        drawn.append(found)
    return drawn


def _disagreements(drawn: DrawnObject, dropped_polygons: int) -> list[tuple[str, str]]:
    found = []
    if dropped_polygons:
        message = f"{dropped_polygons} polygon(s) of fewer than 3 points or odd length"
        found.append(("degenerate_polygon", message))
    bbox, area = drawn.planned.bbox, drawn.planned.area
    if bbox is not None and not _same_box(bbox, drawn.box_xywh_px):
        message = f"bbox {bbox}, the mask's is {list(drawn.box_xywh_px)}"
        found.append(("bbox_recomputed", message))
    tolerance = max(_AREA_TOLERANCE_PX2, _AREA_TOLERANCE_FRACTION * drawn.area)
    if area is not None and not abs(area - drawn.area) <= tolerance:
        message = f"area {area}, the mask has {drawn.area} pixels"
        found.append(("area_recomputed", message))
    return found


def _same_box(bbox: list[float], tight: tuple[int, int, int, int]) -> bool:
    if len(bbox) != 4:
        return False
    x, y, width, height = bbox
    sides = np.array([x, y, x + width, y + height])
    left, top, across, down = tight
    gaps = np.abs(sides - (left, top, left + across, top + down))
    return bool(np.all(gaps <= _BOX_TOLERANCE_PX))


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
    digest = hashlib.sha256(picture.encoded).hexdigest()
    return {
        features.IMAGE_ENCODED: _bytes([picture.encoded]),
        features.IMAGE_FORMAT: _bytes([picture.image_format.encode()]),
        features.IMAGE_FILENAME: _bytes([file_name.encode("utf-8", "replace")]),
        features.IMAGE_ID: _int64([image.image_id]),
        features.IMAGE_HEIGHT: _int64([image.height]),
        features.IMAGE_WIDTH: _int64([image.width]),
        features.IMAGE_SHA256: _bytes([digest.encode()]),
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
        features.RUN_LENGTHS: _int64(np.concatenate([np.zeros(0, np.int64), *runs])),
    }


def _bytes(values: list[bytes]) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _int64(values: list[int] | np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _float(values: list[float] | np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))
