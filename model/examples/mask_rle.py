"""Masks as COCO run lengths: column by column, the first run counts zeros.

Every form of a COCO segmentation is read into them; `mask_crop` turns them dense
inside a graph. pycocotools draws polygons and compresses; it takes and gives compressed
texts only, so what is asked of the runs themselves is computed here.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from model.examples import rle_text

# Polygons are rasterised by walking their outlines, which takes memory of their length.
_MAX_COORDINATE_PX = 100_000.0
_MAX_OUTLINE_PX = 1_000_000.0
# Polygons that can be drawn, float64 [x0, y0, x1, ...] in px, and how many can not.
_Outlines = tuple[list[np.ndarray], int]


class MaskError(ValueError):
    """A segmentation that describes no mask of the image's size."""


class EmptyMaskError(MaskError):
    """A segmentation in order, or a degenerate one, that covers no pixel."""


def runs_from_segmentation(
    segmentation: object, height: int, width: int
) -> tuple[np.ndarray, int]:
    """Reads polygons, uncompressed RLE or compressed RLE.

    Args:
        segmentation: list of polygons `[x0, y0, x1, y1, ...]` in px, whose union is
            the mask, or `{"size": [h, w], "counts": ...}` with counts as a list of
            run lengths or as COCO's compressed text (str, bytes, or a str of bytes).
        height, width: of the image, px.

    Returns:
        int64 [runs] in canonical form (no run but the first is 0), summing to
        height * width; and the number of degenerate polygons left out.

    Raises:
        EmptyMaskError: no pixel is covered.
        MaskError: the form is unknown, or the RLE is not of height * width pixels.
    """
    (found,) = runs_from_segmentations([segmentation], height, width)
    if isinstance(found, MaskError):
        raise found
    return found


def runs_from_segmentations(
    segmentations: Sequence[object], height: int, width: int
) -> list[tuple[np.ndarray, int] | MaskError]:
    """Reads all segmentations of an image, which costs less than one by one.

    Returns:
        For each what `runs_from_segmentation` returns, or the error that it raises.
    """
    found: list = [None] * len(segmentations)
    outlines: dict[int, _Outlines] = {}
    for index, segmentation in enumerate(segmentations):
        try:
            if isinstance(segmentation, list):
                outlines[index] = _outlines(segmentation)
            elif isinstance(segmentation, dict):
                found[index] = _runs_from_rle(segmentation, height, width), 0
            else:
                raise MaskError(
                    f"segmentation is a {type(segmentation).__name__}, wanted a list "
                    "of polygons or an RLE object"
                )
        except MaskError as error:
            found[index] = error
    drawn = _fill(list(outlines.values()), height, width)
    for (index, (_, dropped)), runs in zip(outlines.items(), drawn, strict=True):
        found[index] = runs, dropped
    return [_covering(each) for each in found]


def runs_from_mask(mask: np.ndarray) -> np.ndarray:
    """Encodes uint8 or bool [H, W] as canonical int64 [runs]."""
    pixels = np.asarray(mask, bool).ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    runs = np.diff(np.concatenate([[0], changes, [pixels.size]])).astype(np.int64)
    return np.concatenate([[0], runs]) if pixels.size and pixels[0] else runs


def to_coco_rle(run_lengths: np.ndarray, height: int, width: int) -> dict:
    """Compresses int64 [runs] to `{"size": [h, w], "counts": str}`.

    Raises:
        MaskError: the runs do not sum to height * width.
    """
    runs = _checked_runs(run_lengths, height, width)
    rle = {"size": [height, width], "counts": runs.tolist()}
    compressed = coco_mask.frPyObjects(rle, height, width)
    return {
        "size": [int(height), int(width)],
        "counts": compressed["counts"].decode("ascii"),
    }


def area(run_lengths: np.ndarray) -> int:
    """Number of pixels in int64 [runs]."""
    return int(run_lengths[1::2].sum())


def box_xywh_px(run_lengths: np.ndarray, height: int) -> tuple[int, int, int, int]:
    """Tight box of int64 [runs] as x, y, width, height in px; zeros when empty."""
    _, boxes = measure([run_lengths], height)
    x, y, width, height = boxes[0].tolist()
    return x, y, width, height


def measure(masks: Sequence[np.ndarray], height: int) -> tuple[np.ndarray, np.ndarray]:
    """Areas and tight boxes of several masks.

    Args:
        masks: int64 [runs] of each.
        height: of their images, px.

    Returns:
        int64 [N], px², and int64 [N, 4], x, y, width, height in px; zeros of a mask
        that covers nothing.
    """
    sizes = np.array([runs.size for runs in masks], np.int64)
    runs = np.concatenate([np.zeros([0], np.int64), *masks])
    starts = np.cumsum(sizes) - sizes
    position = np.arange(runs.size) - np.repeat(starts, sizes)
    ones = np.flatnonzero((position % 2 == 1) & (runs > 0))
    areas, boxes = np.zeros(sizes.shape, np.int64), np.zeros([sizes.size, 4], np.int64)
    if not ones.size:
        return areas, boxes
    owner = np.repeat(np.arange(sizes.size), sizes)[ones]
    heads = np.flatnonzero(np.diff(owner, prepend=-1))
    tails = np.append(heads[1:], ones.size) - 1
    covering = owner[heads]
    areas[covering] = np.add.reduceat(runs[ones], heads)

    before = np.concatenate([[0], np.cumsum(runs)])
    first = before[ones] - before[starts[owner]]
    first_columns, first_rows = np.divmod(first, height)
    last_columns, last_rows = np.divmod(first + runs[ones] - 1, height)
    # A run that turns a column touches the bottom of one and the top of the next.
    turns = np.logical_or.reduceat(first_columns != last_columns, heads)
    top = np.where(turns, 0, np.minimum.reduceat(first_rows, heads))
    bottom = np.where(turns, height - 1, np.maximum.reduceat(last_rows, heads))
    left, right = first_columns[heads], last_columns[tails]
    box = (left, top, right - left + 1, bottom - top + 1)
    boxes[covering] = np.stack(box, axis=1)
    return areas, boxes


def _outlines(polygons: list) -> _Outlines:
    for polygon in polygons:
        if not isinstance(polygon, list):
            raise MaskError(
                f"a polygon is a {type(polygon).__name__}, wanted a list of numbers "
                "[x0, y0, x1, y1, ...] inside a list of polygons"
            )
    kept = [each for each in map(_points, polygons) if each is not None]
    if not kept:
        raise EmptyMaskError(
            "no polygon of at least 3 points with finite coordinates is left"
        )
    return kept, len(polygons) - len(kept)


def _fill(objects: list[_Outlines], height: int, width: int) -> list[np.ndarray]:
    """Canonical int64 [runs] of the union of each object's polygons."""
    if not objects:
        return []
    every = list(itertools.chain.from_iterable(kept for kept, _ in objects))
    parts = iter(coco_mask.frPyObjects(every, height, width))
    texts = []
    for kept, _ in objects:
        own = list(itertools.islice(parts, len(kept)))
        texts.append((coco_mask.merge(own) if len(own) > 1 else own[0])["counts"])
    return [_canonical(runs) for runs in rle_text.decode_all(texts)]


def _covering(
    found: tuple[np.ndarray, int] | MaskError,
) -> tuple[np.ndarray, int] | MaskError:
    if not isinstance(found, MaskError) and area(found[0]) == 0:
        return EmptyMaskError("the mask covers no pixel")
    return found


def _points(polygon: list) -> np.ndarray | None:
    """float64 [x0, y0, x1, ...] in px; None of what cannot be drawn."""
    if len(polygon) < 6 or len(polygon) % 2:
        return None
    try:
        points = np.asarray(polygon, np.float64)
    except (OverflowError, TypeError, ValueError):
        return None
    if points.ndim != 1:
        return None
    farthest = np.abs(points).max()
    if not farthest <= _MAX_COORDINATE_PX:  # so is NaN
        return None
    if points.size * farthest > _MAX_OUTLINE_PX:  # more than the outline can have
        corners = points.reshape(-1, 2)
        steps = np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1)
        if steps.sum() > _MAX_OUTLINE_PX:
            return None
    return points


def _runs_from_rle(rle: dict, height: int, width: int) -> np.ndarray:
    size = rle.get("size")
    if size != [height, width]:
        raise MaskError(
            f"RLE size {size} is not the image's [height, width] {[height, width]}"
        )
    counts = rle.get("counts")
    if isinstance(counts, str | bytes):
        try:
            counts = rle_text.decode(counts)
        except rle_text.RleTextError as error:
            raise MaskError(str(error)) from None
    elif not isinstance(counts, list):
        raise MaskError(
            f"RLE counts are a {type(counts).__name__}, wanted a list of run lengths "
            "or a compressed text"
        )
    return _canonical(_checked_runs(counts, height, width))


def _checked_runs(
    counts: np.ndarray | Sequence[int], height: int, width: int
) -> np.ndarray:
    try:
        runs = np.asarray(counts)
    except ValueError:
        runs = np.asarray([None])
    if runs.ndim != 1 or (runs.size and runs.dtype.kind not in "iu"):
        raise MaskError("RLE counts are not a flat list of whole numbers")
    num_pixels = height * width
    if runs.size and (runs.min() < 0 or runs.max() > num_pixels):
        raise MaskError(
            f"RLE counts range from {runs.min()} to {runs.max()}, wanted 0 to "
            f"{num_pixels}, the number of pixels"
        )
    total = int(runs.sum(dtype=np.int64))
    if total != num_pixels:
        raise MaskError(
            f"RLE counts sum to {total}, the image has {height} x {width} = "
            f"{num_pixels} pixels"
        )
    return runs.astype(np.int64)


def _canonical(runs: np.ndarray) -> np.ndarray:
    """Joins neighbours across runs of 0, so that equal masks have equal runs."""
    if runs[1:].all() and runs.size:
        return runs
    values = np.arange(runs.size) % 2
    values, runs = values[runs > 0], runs[runs > 0]
    if not runs.size:
        return np.zeros([0], np.int64)
    heads = np.flatnonzero(np.diff(values, prepend=-1))
    joined = np.add.reduceat(runs, heads)
    return np.concatenate([[0], joined]) if values[0] else joined
