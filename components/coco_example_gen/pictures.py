"""Reads an image file and decides which bytes are stored."""

import dataclasses
import io
import pathlib
import warnings

import numpy as np
from PIL import Image, ImageOps

_EXIF_ORIENTATION = 0x0112
# Multi-picture JPEGs of phones hold an ordinary JPEG first.
_STORED_AS_THEY_ARE = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}
_SUFFIXES = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "png": (".png",),
}


class BrokenImageError(Exception):
    """The bytes cannot be decoded."""


class SizeMismatchError(Exception):
    """The picture's size is not the annotated one, and no EXIF turn explains it."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """What is stored of an image.

    Attributes:
        encoded: JPEG or PNG, 8-bit, gray or RGB.
        image_format: `jpeg` or `png`.
        notes: pairs of problem kind and message.
    """

    encoded: bytes
    image_format: str
    notes: tuple[tuple[str, str], ...]


def load(path: pathlib.Path, height: int, width: int) -> Picture:
    """Reads a file that the annotations say is height x width px.

    8-bit gray or RGB JPEG and PNG are stored byte by byte; anything else Pillow can
    read is stored as an RGB PNG.

    Raises:
        BrokenImageError: empty, truncated or of no known format.
        SizeMismatchError: of another size.
    """
    try:
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large and slightly odd files are fine
            image = Image.open(io.BytesIO(content))
            image.load()
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        reason = " ".join(str(error).split())
        raise BrokenImageError(f"cannot be decoded: {reason}") from None
    notes: list[tuple[str, str]] = []
    must_turn = _must_turn(image, height, width, notes)
    image_format = _STORED_AS_THEY_ARE.get(image.format or "")
    if image_format and path.suffix.lower() not in _SUFFIXES[image_format]:
        notes.append(("wrong_suffix", f"is a {image_format} file in truth"))
    if image_format and image.mode in ("L", "RGB") and not must_turn:
        return Picture(content, image_format, tuple(notes))
    notes.append(
        ("image_reencoded", f"{image.format} in mode {image.mode} became a PNG")
    )
    turned = ImageOps.exif_transpose(image) if must_turn else image
    buffer = io.BytesIO()
    _to_rgb(turned).save(buffer, format="PNG", compress_level=6)
    return Picture(buffer.getvalue(), "png", tuple(notes))


def _must_turn(
    image: Image.Image, height: int, width: int, notes: list[tuple[str, str]]
) -> bool:
    """Decides whether the annotations were drawn on the EXIF-turned picture."""
    stored = (image.height, image.width)
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    turns = orientation in range(2, 9)
    shown = stored[::-1] if turns and orientation >= 5 else stored
    if (height, width) == shown:
        if turns:  # what viewers and annotation tools show
            notes.append(("exif_turned", f"turned by EXIF orientation {orientation}"))
        return turns
    if (height, width) == stored:
        notes.append(
            ("exif_ignored", f"EXIF orientation {orientation} contradicts the file")
        )
        return False
    raise SizeMismatchError(
        f"the annotations say {width} x {height} px (width x height), the picture has "
        f"{image.width} x {image.height}; correct the annotation file or the picture"
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits; Pillow itself would clip, not scale
        pixels = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray((pixels >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")
