"""Pictures that show what is annotated beside what was found."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from foundation import drawing
from model.serve import saved_model

_LONG_SIDE = 512  # px of one half; what is larger is made smaller
_MIN_SCORE = 0.5  # of what is drawn; below it a picture is full of guesses
_GAP = 4  # px between the halves


def draw(
    encoded: bytes,
    annotations: Sequence[Mapping],
    found: saved_model.Detections,
    names: Mapping[int, str],
) -> np.ndarray:
    """Truth on the left, detections of score 0.5 and more on the right.

    Args:
        encoded: the picture, JPEG or PNG.
        annotations: its COCO annotations, with compressed RLE.
        names: of the classes by category id; a class has one colour on both sides.

    Returns:
        uint8 [H, W, 3].
    """
    picture = Image.open(io.BytesIO(encoded)).convert("RGB")
    colours = drawing.class_colours(list(names))
    sides = (_annotated(annotations, names, colours), _detected(found, colours))
    halves = [_fitted(drawing.draw_instances(picture, drawn)) for drawn in sides]
    width, height = halves[0].size
    both = Image.new("RGB", (2 * width + _GAP, height), "white")
    both.paste(halves[0], (0, 0))
    both.paste(halves[1], (width + _GAP, 0))
    return np.asarray(both)


def _annotated(
    annotations: Sequence[Mapping],
    names: Mapping[int, str],
    colours: Mapping[int, drawing.Colour],
) -> list[drawing.Instance]:
    return [
        drawing.Instance(
            each["segmentation"],
            each["bbox"],
            names[each["category_id"]],
            colours[each["category_id"]],
        )
        for each in annotations
    ]


def _detected(
    found: saved_model.Detections, colours: Mapping[int, drawing.Colour]
) -> list[drawing.Instance]:
    sure = found.scores >= _MIN_SCORE
    rows = zip(
        found.masks,
        found.boxes,
        found.class_names,
        found.scores,
        found.category_ids,
        strict=True,
    )
    return [
        drawing.Instance(mask, box, f"{name} {score:.2f}", colours[int(category_id)])
        for (mask, box, name, score, category_id), is_sure in zip(
            rows, sure, strict=True
        )
        if is_sure
    ]


def _fitted(picture: Image.Image) -> Image.Image:
    factor = min(1.0, _LONG_SIDE / max(picture.size))
    size = [max(1, round(side * factor)) for side in picture.size]
    return picture.resize((size[0], size[1]))
