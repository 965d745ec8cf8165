"""Draws panoptic segments: the pixels of a PNG whose colour is the segment's id.

The worker that draws an image decodes its PNG once.
"""

import functools
import pathlib
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from PIL import Image

from components.coco_example_gen import safe_paths
from components.coco_example_gen.read import annotations, panoptic
from model.examples import mask_rle

_VOID = 0  # what is of no segment


def mask(segmentation: dict, root: pathlib.Path, height: int, width: int) -> np.ndarray:
    """Draws one segment.

    Args:
        segmentation: decoded JSON of a `panoptic.PanopticSegmentation`.
        root: what the PNG's name is relative to, and may not lead out of.
        height, width: of the picture, px.

    Returns:
        bool [H, W].

    Raises:
        EmptyMaskError: no pixel of the PNG has the segment's id.
        LeavesRootError: the PNG is a link that leaves the root.
        MaskError: there is no such PNG, or it is of another size.
    """
    try:
        reference = msgspec.convert(
            segmentation, panoptic.PanopticSegmentation
        ).panoptic
    except msgspec.ValidationError as error:
        raise mask_rle.MaskError(f"segmentation: {error}") from None
    ids = _find_ids(reference.file, root, height, width)
    found = ids == reference.segment_id
    if reference.segment_id == _VOID or not found.any():
        raise mask_rle.EmptyMaskError(
            f"no pixel of {reference.file} is of segment {reference.segment_id}"
        )
    return found


def faults(
    image: annotations.PlannedImage, root: pathlib.Path
) -> Iterator[tuple[str, str]]:
    """Tells what is wrong with the PNGs of an image beside the masks of its objects.

    That is pixels whose colour is no segment that the file lists, and a PNG that
    cannot be read; of one with objects that is told when they are drawn.

    Args:
        root: as in `mask`.

    Yields:
        Pairs of problem kind and message.
    """
    for file, listed in image.listed_segments.items():
        try:
            ids = _find_ids(file, root, image.height, image.width)
        except (mask_rle.MaskError, safe_paths.LeavesRootError) as error:
            if file not in _files_of_objects(image):
                is_link = isinstance(error, safe_paths.LeavesRootError)
                yield "unsafe_path" if is_link else "bad_segmentation", str(error)
            continue
        message = _unlisted(file, ids, listed)
        if message:
            yield "unlisted_segment", message


def _files_of_objects(image: annotations.PlannedImage) -> set[str]:
    return {
        msgspec.json.decode(
            each.segmentation, type=panoptic.PanopticSegmentation
        ).panoptic.file
        for each in image.objects
    }


def _unlisted(file: str, ids: np.ndarray, listed: Sequence[int]) -> str | None:
    """Counts the pixels of colours that are not listed; None when there are none."""
    found, counts = np.unique(ids, return_counts=True)
    is_unlisted = np.isin(found, [_VOID, *listed], invert=True)
    if not is_unlisted.any():
        return None
    return (
        f"{counts[is_unlisted].sum()} pixel(s) of {file} have {is_unlisted.sum()} "
        "colour(s) that segments_info does not list, the first is of segment "
        f"{found[is_unlisted][0]}"
    )


def _find_ids(file: str, root: pathlib.Path, height: int, width: int) -> np.ndarray:
    """The segment id of every pixel of a PNG, int32 [H, W]; raises as `mask` does."""
    if safe_paths.fault(file):
        raise mask_rle.MaskError(safe_paths.explain("file_name", file))
    try:
        path = safe_paths.find(root, [str(root)], file)
    except safe_paths.LeavesRootError as error:
        raise safe_paths.LeavesRootError(f"{file}: {error}; copy it inside") from None
    if path is None:
        raise mask_rle.MaskError(f"{file}: no such file of segments")
    return _segment_ids(path, path.stat().st_mtime_ns, height, width)


# One for each of a few threads; an image's segments are drawn one after the other.
@functools.lru_cache(maxsize=4)
def _segment_ids(
    path: pathlib.Path, mtime_ns: int, height: int, width: int
) -> np.ndarray:
    """Decodes a PNG: int32 [H, W], red + 256 green + 65536 blue.

    Args:
        mtime_ns: so that a file that changed is read again.
    """
    try:
        image = Image.open(path, formats=["PNG"])
        size = (image.height, image.width)
        pixels = None
        if size == (height, width):  # before a bomb is unpacked
            pixels = np.asarray(image.convert("RGB")).astype(np.int32)
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        reason = " ".join(str(error).split())
        raise mask_rle.MaskError(f"{path.name}: cannot be decoded: {reason}") from None
    if pixels is None:
        raise mask_rle.MaskError(
            f"{path.name}: has {size[0]} x {size[1]} px (height x width), the image "
            f"{height} x {width}"
        )
    return pixels @ np.array([1, 256, 65536], np.int32)  # [H, W]
