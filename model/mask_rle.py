"""Masks as COCO run lengths: column by column, the first run counts zeros.

Every form of a COCO segmentation is read into them; `mask_crop` turns them dense
inside a graph.
"""

import ast
from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

# Polygons are rasterised by walking their outlines, which takes memory of their length.
_MAX_COORDINATE_PX = 100_000.0
_MAX_OUTLINE_PX = 1_000_000.0


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
    if isinstance(segmentation, dict):
        runs, dropped = _runs_from_rle(segmentation, height, width), 0
    elif isinstance(segmentation, list):
        runs, dropped = _runs_from_polygons(segmentation, height, width)
    else:
        raise MaskError(
            f"segmentation is a {type(segmentation).__name__}, wanted a list of "
            "polygons or an RLE object"
        )
    if area(runs) == 0:
        raise EmptyMaskError("the mask covers no pixel")
    return runs, dropped


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
    ends = np.cumsum(run_lengths)
    last = ends[1::2] - 1
    first = ends[0::2][: last.size]
    first, last = first[last >= first], last[last >= first]
    if not first.size:
        return 0, 0, 0, 0
    first_columns, first_rows = np.divmod(first, height)
    last_columns, last_rows = np.divmod(last, height)
    left, right = int(first_columns[0]), int(last_columns[-1])
    if np.any(first_columns != last_columns):  # a run that turns a column
        return left, 0, right - left + 1, height
    top, bottom = int(first_rows.min()), int(last_rows.max())
    return left, top, right - left + 1, bottom - top + 1


def _runs_from_polygons(
    polygons: Sequence[object], height: int, width: int
) -> tuple[np.ndarray, int]:
    kept = []
    for polygon in polygons:
        if not isinstance(polygon, list):
            raise MaskError(
                f"a polygon is a {type(polygon).__name__}, wanted a list of numbers "
                "[x0, y0, x1, y1, ...] inside a list of polygons"
            )
        points = _points(polygon)
        if points is not None:
            kept.append(points)
    if not kept:
        raise EmptyMaskError(
            "no polygon of at least 3 points with finite coordinates is left"
        )
    parts = coco_mask.frPyObjects(kept, height, width)
    counts = (coco_mask.merge(parts) if len(parts) > 1 else parts[0])["counts"]
    return _canonical(_decompress(counts)), len(polygons) - len(kept)


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
        counts = _decompress(counts)
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


def _bytes_of(text: str) -> bytes:
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, bytes):
        raise MaskError("RLE counts are a text that looks like Python bytes and is not")
    return value


def _decompress(counts: str | bytes) -> np.ndarray:
    """Reads COCO's text: 5 bits a character, low first, differences to two before.

    Raises:
        MaskError: characters outside `0`..`o`, an unfinished or an oversized number.
    """
    if isinstance(counts, str):
        # "b'...'" is what Python makes of bytes that are written as text.
        is_bytes_text = counts[:2] in ("b'", 'b"') and counts[-1:] == counts[1]
        counts = (
            _bytes_of(counts)
            if is_bytes_text
            else counts.encode("utf-8", "surrogatepass")
        )
    codes = np.frombuffer(counts, np.uint8) - np.uint8(48)  # below: 208 and more
    if not codes.size:
        return np.zeros([0], np.int64)
    if codes.max() > 63:
        raise MaskError("compressed RLE counts hold a character COCO does not use")
    last = np.flatnonzero(codes < 32)
    if not last.size or last[-1] != codes.size - 1:
        raise MaskError("compressed RLE counts end in the middle of a number")
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > 7:  # 35 bits hold any run of an image below 2**32 pixels
        raise MaskError("compressed RLE counts hold a number above 32 bits")
    place = np.arange(codes.size) - np.repeat(first, lengths)
    numbers = np.add.reduceat((codes & 31) << (5 * place), first)
    sign = np.int64(1) << (5 * lengths - 1)
    numbers = (numbers ^ sign) - sign
    # From the fourth on (index 3), a number is the difference to the one two before.
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
