"""Draws instances on a picture: tinted masks with outlines and labels."""

import colorsys
import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from pycocotools import mask as coco_mask

_MIN_LONG_SIDE = 640  # px; smaller pictures are enlarged so that labels can be read
_TINT = 0.45  # opacity of a mask
_GOLDEN_RATIO = 0.618034  # of the hue circle: neighbours in number differ in colour
_MAX_LABEL_MOVES = 20
_LONGEST_LABEL = 100  # characters; Pillow refuses a million
_MARGIN = 2  # px around an object, for its edge to be smoothed in

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]


class Detections(Protocol):
    """What a model found in a picture, best first; `n` of each.

    Attributes:
        masks: COCO RLE objects.
        boxes: float [n, 4], xywh_px.
    """

    @property
    def masks(self) -> list[dict]: ...
    @property
    def boxes(self) -> np.ndarray: ...
    @property
    def class_names(self) -> list[str]: ...
    @property
    def scores(self) -> np.ndarray: ...
    @property
    def category_ids(self) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True)
class Instance:
    """What is painted of one object.

    Attributes:
        mask: COCO RLE object, `{"size": [h, w], "counts": ...}`.
        box: xywh_px, tight around the mask.
        label: written at the box; empty for none.
    """

    mask: dict
    box: Sequence[float]
    label: str
    colour: Colour


def draw(
    picture: Image.Image, found: Detections, colours: dict[int, Colour]
) -> Image.Image:
    """Draws all detections with names and scores, the best on top.

    Args:
        picture: RGB, of the masks' size.
        colours: per category id.

    Returns:
        RGB picture, enlarged by a whole factor when it is small.
    """
    instances = [
        Instance(mask, box, f"{name} {score:.2f}", colours[int(category_id)])
        for mask, box, name, score, category_id in zip(
            found.masks,
            found.boxes,
            found.class_names,
            found.scores,
            found.category_ids,
            strict=True,
        )
    ]
    return draw_instances(picture, instances)


def draw_instances(
    picture: Image.Image,
    instances: Sequence[Instance],
    min_long_side: int = _MIN_LONG_SIDE,
) -> Image.Image:
    """Draws instances, the first on top.

    Args:
        picture: RGB, of the masks' size.
        min_long_side: px; a smaller picture is enlarged until it has as many.

    Returns:
        RGB picture, enlarged by a whole factor when it is small.
    """
    factor = max(1, math.ceil(min_long_side / max(picture.size)))
    size = (picture.width * factor, picture.height * factor)
    canvas = picture.resize(size, Image.Resampling.BICUBIC)
    for instance in reversed(instances):
        mask = coco_mask.decode(instance.mask)
        _paint(canvas, mask, instance.box, factor, instance.colour)
    taken: list[Box] = []
    font = ImageFont.load_default(size=max(14, max(size) // 50))
    for instance in instances:
        if instance.label:
            corner = [int(value * factor) for value in instance.box[:2]]
            label, colour = instance.label[:_LONGEST_LABEL], instance.colour
            taken.append(_write_label(canvas, label, corner, colour, font, taken))
    return canvas


def class_colours(category_ids: list[int]) -> dict[int, Colour]:
    """A bright colour a class, the same in every picture."""
    colours = {}
    for number, category_id in enumerate(sorted(category_ids)):
        rgb = colorsys.hsv_to_rgb((0.02 + number * _GOLDEN_RATIO) % 1.0, 0.85, 1.0)
        colours[category_id] = tuple(round(255 * part) for part in rgb)
    return colours


def _paint(
    canvas: Image.Image,
    mask: np.ndarray,
    box: Sequence[float],
    factor: int,
    colour: Colour,
) -> None:
    """Tints uint8 [H, W] in {0, 1} on a canvas `factor` times larger."""
    x, y, width, height = (int(value) for value in box)
    # Only around the object: working on whole photographs takes seconds a mask.
    left, top = max(0, x - _MARGIN), max(0, y - _MARGIN)
    near = mask[top : y + height + _MARGIN, left : x + width + _MARGIN]
    inside = Image.fromarray(near * 255)
    size = (inside.width * factor, inside.height * factor)
    inside = inside.resize(size, Image.Resampling.BICUBIC)  # smooth edges
    inside = inside.point([0] * 128 + [255] * 128)
    core = inside
    for _ in range(max(1, max(canvas.size) // 250)):  # one pixel of outline each
        core = core.filter(ImageFilter.MinFilter(3))
    outline = Image.fromarray(np.asarray(inside) & ~np.asarray(core))
    corner = (left * factor, top * factor)
    tint = inside.point(lambda value: int(value * _TINT))
    canvas.paste(Image.new("RGB", size, colour), corner, tint)
    canvas.paste(Image.new("RGB", size, colour), corner, outline)


def _write_label(
    canvas: Image.Image,
    label: str,
    corner: list[int],
    colour: Colour,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    taken: list[Box],
) -> Box:
    """Writes at the corner of the box, lower when another label is there already."""
    pen = ImageDraw.Draw(canvas)
    left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
    width, height = right - left + 6, bottom - top + 6
    x = max(0, min(corner[0], canvas.width - width))
    y = max(0, min(corner[1], canvas.height - height))
    for _ in range(_MAX_LABEL_MOVES):
        if not any(_overlap((x, y, x + width, y + height), other) for other in taken):
            break
        y = y + height if y + 2 * height <= canvas.height else 0
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    pen.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    ink = (0, 0, 0) if luminance > 120 else (255, 255, 255)
    pen.text((x + 3 - left, y + 3 - top), label, fill=ink, font=font)
    return x, y, x + width, y + height


def _overlap(one: Box, other: Box) -> bool:
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]
