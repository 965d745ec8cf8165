"""Turns the shapes of a LabelMe file into instances with a COCO segmentation."""

import base64
import binascii
import dataclasses
import io
import math
import re
from collections.abc import Callable, Hashable, Sequence

import msgspec
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from model.examples import mask_rle

# What LabelMe calls regions that belong to no class.
_NO_CLASS = ("__ignore__", "_background_")
_WITHOUT_AREA = ("point", "points", "line", "linestrip")
# Between two corners, a circle's polygon is at most this far inside of the circle.
_CIRCLE_TOLERANCE_PX = 0.1
_MIN_CIRCLE_CORNERS = 16
_MAX_RADIUS_PX = 100_000.0

Segmentation = list[list[float]] | dict[str, object]  # polygons or RLE
Report = Callable[[str, str], None]


class ShapeError(ValueError):
    """A shape that describes no region of the picture."""


class Shape(msgspec.Struct):
    """One shape as LabelMe 3 to 5 write it; keys not named here are passed over.

    Attributes:
        points: x, y in px; two corners of a rectangle or of a mask's box, centre and
            a point on the rim of a circle.
        mask: PNG in base64, as large as its box.
    """

    label: str
    points: list[tuple[float, float]]
    shape_type: str | None = "polygon"
    group_id: int | float | str | None = None
    mask: str | None = None


@dataclasses.dataclass(frozen=True)
class Instance:
    """One object.

    Attributes:
        segmentation: JSON of polygons or of an RLE object.
    """

    class_name: str
    segmentation: msgspec.Raw


def instances(
    rows: Sequence[msgspec.Raw],
    height: int,
    width: int,
    label_pattern: re.Pattern[str] | None,
    report: Report,
) -> list[Instance]:
    """Reads shapes; those that belong together become one instance.

    Shapes of one class and one `group_id` belong together, and so do those of one
    instance-numbered label.

    Args:
        rows: JSON of a shape each.
        height, width: of the picture, px.
        label_pattern: its first group is the class of a label that it matches whole.
        report: is told kind and message of every problem.

    Returns:
        In the order of their first shapes.
    """
    parts: dict[Hashable, dict[str, Segmentation]] = {}
    classes: dict[Hashable, str] = {}
    for index, row in enumerate(rows):
        place = f"shapes[{index}]"
        shape = _decode(row, place, report)
        if shape is None:
            continue
        place += f" {shape.label!r}"
        found = _segmentation(shape, height, width, place, report)
        if found is None:
            continue
        class_name, group = _group_of(shape, index, label_pattern)
        parts.setdefault(group, {})[place] = found
        classes[group] = class_name
    return [
        Instance(classes[group], _encode(_joined(found, height, width, report)))
        for group, found in parts.items()
    ]


def _decode(row: msgspec.Raw, place: str, report: Report) -> Shape | None:
    try:
        return msgspec.json.decode(row, type=Shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        report("shape_unusable", f"{place}: {_reason(error)}")
        return None


def _group_of(
    shape: Shape, index: int, pattern: re.Pattern[str] | None
) -> tuple[str, tuple[Hashable, ...]]:
    """The class of a shape, and what it shares with the other parts of its instance."""
    class_name, numbered = _class_of(shape.label, pattern)
    if numbered:
        return class_name, (class_name, shape.group_id, shape.label)
    if shape.group_id is None:
        return class_name, (index,)
    return class_name, (class_name, shape.group_id)


def _class_of(label: str, pattern: re.Pattern[str] | None) -> tuple[str, bool]:
    """The class of a label, and whether the label numbers the instances of it."""
    match = pattern.fullmatch(label) if pattern else None
    name = match[1] if match and match[1] and match[1].split() else label
    return " ".join(name.split()), name != label


def _segmentation(
    shape: Shape, height: int, width: int, place: str, report: Report
) -> Segmentation | None:
    """The region of a shape; None when it has none, which is reported."""
    kind = shape.shape_type or "polygon"
    if shape.label in _NO_CLASS:
        report("shape_of_no_class", f"{place}: marks a region that is of no class")
        return None
    if kind in _WITHOUT_AREA:
        report("shape_without_area", f"{place}: a {kind} covers no pixels")
        return None
    try:
        if not shape.label.split():
            raise ShapeError("the label is empty")
        if kind not in _READERS:
            raise ShapeError(f"shape_type {kind!r} is not one of {sorted(_READERS)}")
        return _READERS[kind](shape, height, width)
    except ShapeError as error:
        report("shape_unusable", f"{place}: {error}")
        return None


def _polygon(shape: Shape, height: int, width: int) -> Segmentation:
    if len(shape.points) < 3:
        raise ShapeError(f"has {len(shape.points)} point(s), a polygon needs 3")
    return [[value for point in shape.points for value in point]]


def _rectangle(shape: Shape, height: int, width: int) -> Segmentation:
    if len(shape.points) == 4:  # some tools write all corners
        return _polygon(shape, height, width)
    (x0, y0), (x1, y1) = _two_points(shape)
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


def _circle(shape: Shape, height: int, width: int) -> Segmentation:
    """A regular polygon whose sides leave the circle by less than the tolerance.

    A side of n is r (1 - cos(pi / n)) away from the circle in its middle, so a radius
    of 10 px takes 23 corners, one of 1,000 px 223.
    """
    (x, y), rim = _two_points(shape)
    radius = math.dist((x, y), rim)
    if not 0 < radius <= _MAX_RADIUS_PX:
        raise ShapeError(f"has a radius of {radius:g} px")
    corners = _MIN_CIRCLE_CORNERS
    if radius > _CIRCLE_TOLERANCE_PX:
        needed = math.pi / math.acos(1 - _CIRCLE_TOLERANCE_PX / radius)
        corners = max(corners, math.ceil(needed))
    angles = np.arange(corners) * (2 * math.pi / corners)
    xs, ys = x + radius * np.cos(angles), y + radius * np.sin(angles)
    return [np.stack([xs, ys], axis=1).ravel().tolist()]


def _mask(shape: Shape, height: int, width: int) -> Segmentation:
    (x0, y0), (x1, y1) = _two_points(shape)
    left, right = sorted((math.floor(x0), math.floor(x1)))
    top, bottom = sorted((math.floor(y0), math.floor(y1)))
    if left < 0 or top < 0 or right >= width or bottom >= height:
        raise ShapeError(
            f"its box, x {left} to {right} and y {top} to {bottom}, leaves the picture "
            f"of {width} x {height} px"
        )
    columns = np.zeros([height, right - left + 1], bool)
    columns[top : bottom + 1] = _decode_mask(
        shape.mask, bottom - top + 1, right - left + 1
    )
    runs = mask_rle.runs_from_mask(columns)
    runs[0] += left * height
    after = (width - 1 - right) * height
    if runs.size % 2:  # ends in zeros
        runs[-1] += after
    elif after:
        runs = np.append(runs, after)
    return mask_rle.to_coco_rle(runs, height, width)


def _decode_mask(text: str | None, height: int, width: int) -> np.ndarray:
    """Returns bool [height, width]."""
    if not text:
        raise ShapeError("has no mask")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ShapeError("its mask is not base64") from None
    try:
        image = Image.open(io.BytesIO(content), formats=["PNG"])
        if image.size == (width, height):  # before a bomb is unpacked
            return np.asarray(image.convert("L")) > 0
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        reason = " ".join(str(error).split())
        raise ShapeError(f"its mask is no PNG: {reason}") from None
    raise ShapeError(
        f"its mask has {image.width} x {image.height} px, its box {width} x {height}"
    )


def _two_points(shape: Shape) -> list[tuple[float, float]]:
    if len(shape.points) != 2:
        raise ShapeError(
            f"has {len(shape.points)} point(s), a {shape.shape_type} needs 2"
        )
    return shape.points


def _joined(
    parts: dict[str, Segmentation], height: int, width: int, report: Report
) -> Segmentation:
    """The union of regions: as polygons when all of them are."""
    found = list(parts.values())
    if len(found) == 1:
        return found[0]
    outlines = [each for each in found if isinstance(each, list)]
    if len(outlines) == len(found):
        return [polygon for each in outlines for polygon in each]
    compressed = []
    for place, each in parts.items():
        try:
            runs, _ = mask_rle.runs_from_segmentation(each, height, width)
        except mask_rle.MaskError as error:
            report("shape_unusable", f"{place}: {error}")
            continue
        compressed.append(mask_rle.to_coco_rle(runs, height, width))
    if not compressed:
        return found[0]  # will be found empty again when it is drawn
    merged = coco_mask.merge(compressed)
    return {"size": merged["size"], "counts": merged["counts"].decode("ascii")}


def _encode(segmentation: Segmentation) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(segmentation))


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nests lists too deeply"
    return str(error).replace("`", "")


_READERS = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "circle": _circle,
    "mask": _mask,
}
