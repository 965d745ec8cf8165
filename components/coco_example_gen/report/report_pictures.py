"""Small pictures of stored images with their masks, for the report page."""

import dataclasses
import io
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from foundation import drawing
from model.examples import features, mask_rle

_LONG_SIDE = 400  # px
_QUALITY = 78  # of the JPEG
_MOST_LABELS = 12  # more would hide the picture
_CONCERNED = (255, 0, 0)


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """A JPEG of `width` x `height` px."""

    jpeg: bytes
    width: int
    height: int


def draw(
    example: tf.train.Example,
    colours: dict[int, drawing.Colour],
    annotation_id: int | None = None,
) -> Thumbnail:
    """Draws a stored image.

    Args:
        colours: per category id, for all instances; crowds are not drawn.
        annotation_id: only this instance is drawn, in red; nothing when it is not
            among those that were stored.
    """
    feature = example.features.feature
    encoded = feature[features.IMAGE_ENCODED].bytes_list.value[0]
    picture = Image.open(io.BytesIO(encoded))
    picture.draft("RGB", (2 * _LONG_SIDE, 2 * _LONG_SIDE))  # JPEG decodes it smaller
    picture = picture.convert("RGB")
    picture.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.LANCZOS)
    instances = []
    for stored in _instances(example):
        if annotation_id is None and not stored.is_crowd:
            colour = colours[stored.category_id]
        elif annotation_id == stored.annotation_id:
            colour = _CONCERNED
        else:
            continue
        instances.append(_shrunk(stored, picture.size, colour))
    if len(instances) > _MOST_LABELS:
        instances = [dataclasses.replace(each, label="") for each in instances]
    drawn = drawing.draw_instances(picture, instances, min_long_side=_LONG_SIDE)
    drawn.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    drawn.save(buffer, format="JPEG", quality=_QUALITY, optimize=True)
    return Thumbnail(buffer.getvalue(), drawn.width, drawn.height)


@dataclasses.dataclass(frozen=True)
class _Stored:
    """One instance of a record; height and width of its image in px."""

    annotation_id: int
    category_id: int
    name: str
    is_crowd: int
    runs: np.ndarray
    height: int
    width: int


def _instances(example: tf.train.Example) -> list[_Stored]:
    """The smallest first, to be on top."""
    feature = example.features.feature

    def values(key: str) -> Sequence[int]:
        return feature[key].int64_list.value

    ends = np.cumsum(np.array(values(features.NUM_RUNS), np.int64))
    runs = np.split(np.array(values(features.RUN_LENGTHS), np.int64), ends)
    size = values(features.IMAGE_HEIGHT)[0], values(features.IMAGE_WIDTH)[0]
    found = [
        _Stored(annotation_id, category_id, name.decode("utf-8"), crowd, own, *size)
        for annotation_id, category_id, name, crowd, own in zip(
            values(features.ANNOTATION_ID),
            values(features.CATEGORY_ID),
            feature[features.CATEGORY_NAME].bytes_list.value,
            values(features.IS_CROWD),
            runs[: ends.size],
            strict=True,
        )
    ]
    return sorted(found, key=lambda stored: mask_rle.area(stored.runs))


def _shrunk(
    stored: _Stored, small: tuple[int, int], colour: drawing.Colour
) -> drawing.Instance:
    """The mask at the thumbnail's size, which is width and height in px."""
    mask = np.zeros(small, bool)  # by columns, as the runs are
    left, top, width, height = mask_rle.box_xywh_px(stored.runs, stored.height)
    across = _span(left, width, small[0], stored.width)
    down = _span(top, height, small[1], stored.height)
    values = (np.arange(stored.runs.size) % 2 * 255).astype(np.uint8)
    columns = np.repeat(values, stored.runs).reshape(stored.width, stored.height)
    near = Image.fromarray(columns).resize(
        (down.stop - down.start, across.stop - across.start),
        Image.Resampling.BOX,
        # The rest of the picture is left alone: there may be hundreds of instances.
        box=(
            down.start * stored.height / small[1],
            across.start * stored.width / small[0],
            down.stop * stored.height / small[1],
            across.stop * stored.width / small[0],
        ),
    )
    mask[across, down] = np.asarray(near) >= 128
    if not mask.any():  # less than half of every pixel: a small cross stands for it
        mask[max(0, across.start - 1) : across.stop + 1, down.start] = True
        mask[across.start, max(0, down.start - 1) : down.stop + 1] = True
    runs = mask_rle.runs_from_mask(mask.T)
    return drawing.Instance(
        mask_rle.to_coco_rle(runs, small[1], small[0]),
        mask_rle.box_xywh_px(runs, small[1]),
        stored.name,
        colour,
    )


def _span(first: int, length: int, small: int, whole: int) -> slice:
    """The thumbnail's pixels that `length` px from `first` on reach into."""
    return slice(first * small // whole, -(-(first + length) * small // whole))
