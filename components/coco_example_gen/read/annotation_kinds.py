"""Tells from its content what an annotation file holds, whatever its name."""

import mmap
import pathlib
from typing import Literal

import msgspec

Kind = Literal["coco", "panoptic", "labelme", "other"]

# Files of the COCO download, and of exports in its manner, that hold no instances.
NOT_INSTANCES = {
    "captions_": "captions",
    "image_info_": "images without annotations",
    "panoptic_": "panoptic segments",
    "person_keypoints_": "keypoints",
    "stuff_": "stuff regions",
}
_UTF8_MARK = b"\xef\xbb\xbf"


class _Keys(msgspec.Struct):
    """The keys that tell the kinds apart, their values left undecoded."""

    shapes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    images: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    annotations: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def kind_of(path: pathlib.Path) -> Kind:
    """Reads the outermost keys of a file; its bytes are mapped, not copied.

    Returns:
        `other` for what is not JSON, not readable or of another format.
    """
    try:
        # Opening a pipe would wait for somebody to write into it.
        if not path.is_file() or not path.stat().st_size:
            return "other"
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return _kind_of_content(content)
    except OSError:
        return "other"


def _kind_of_content(content: mmap.mmap) -> Kind:
    start = len(_UTF8_MARK) if content[: len(_UTF8_MARK)] == _UTF8_MARK else 0
    with memoryview(content) as whole, whole[start:] as text:
        try:
            keys = msgspec.json.decode(text, type=_Keys)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return "other"
        kind: Kind = "other"
        if keys.shapes is not msgspec.UNSET:
            kind = "labelme"
        elif keys.annotations is not msgspec.UNSET:
            is_panoptic = content.find(b'"segments_info"') >= 0
            kind = "panoptic" if is_panoptic else "coco"
        del keys  # its values point into the map, which could not be closed
        return kind


def why_not_instances(path: pathlib.Path) -> str | None:
    """What a file holds instead of instances; None when it may hold some.

    Goes by the name first: reading a file of COCO's size takes a second.
    """
    for prefix, holds in NOT_INSTANCES.items():
        if path.name.startswith(prefix):
            return holds
    if path.name.startswith("instances_"):
        return None
    return {
        "panoptic": "panoptic segments",
        "labelme": "the LabelMe shapes of one picture",
    }.get(kind_of(path))
