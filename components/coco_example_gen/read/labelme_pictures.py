"""Finds the picture of a LabelMe file: in another file, or inside of that one."""

import base64
import binascii
import dataclasses
import io
import pathlib
import posixpath
import warnings

import msgspec
from PIL import Image

from components.coco_example_gen import quoting, safe_paths
from components.coco_example_gen.read import pictures

_EXIF_ORIENTATION = 0x0112
_NOTHING = (b"null", b'""')


class LabelMeFile(msgspec.Struct, kw_only=True, rename="camel"):
    """One file; keys that are not named here are passed over.

    Attributes:
        image_path: relative to the folder of the file.
        image_data: JSON of the picture's bytes in base64, or of null.
    """

    version: str | None = None
    shapes: list[msgspec.Raw]
    image_path: str | None = None
    image_data: msgspec.Raw = msgspec.field(
        default_factory=lambda: msgspec.Raw(_NOTHING[0])
    )
    image_height: int | float | str | None = None
    image_width: int | float | str | None = None

    @property
    def holds_picture(self) -> bool:
        return len(self.image_data) > 4 or bytes(self.image_data) not in _NOTHING


@dataclasses.dataclass(frozen=True)
class Size:
    """Height and width in px, as stored and as turned by the EXIF orientation."""

    stored: tuple[int, int]
    shown: tuple[int, int]


def place_below(folder: str, image_path: str) -> str:
    """Where an imagePath leads to, relative to the data root.

    LabelMe writes the separators of its system, and `..` when the file was saved
    elsewhere: it is resolved here by its text, so what is returned holds none.

    Args:
        folder: of the LabelMe file, relative to the data root.

    Raises:
        ValueError: it leads out of the root, or is no relative path; says which.
    """
    parts = image_path.replace("\\", "/").split("/")
    # Where climbing leads to is looked at below.
    if safe_paths.fault("/".join("up" if part == ".." else part for part in parts)):
        raise ValueError(safe_paths.explain("imagePath", image_path))
    place = posixpath.normpath(posixpath.join(folder, *parts))
    if safe_paths.fault(place):
        raise ValueError(
            f"imagePath {quoting.quoted(image_path)} leads out of the data folder; "
            "move the picture inside and correct the path, or save the file with the "
            "picture in it"
        )
    return place


def embedded(path: pathlib.Path) -> bytes:
    """The bytes of the picture inside a LabelMe file.

    Raises:
        BrokenImageError: there is none, or it is not base64.
    """
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        return decode(msgspec.json.decode(text, type=LabelMeFile))
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise pictures.BrokenImageError(f"cannot be read: {error}") from None


def decode(file: LabelMeFile) -> bytes:
    """The bytes of the picture inside a LabelMe file that was read.

    Raises:
        BrokenImageError: there is none, or it is not base64.
    """
    try:
        text = msgspec.json.decode(file.image_data, type=str)
        return base64.b64decode(text, validate=True)
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise pictures.BrokenImageError(f"imageData is not base64: {error}") from None


def size_of(content: pathlib.Path | bytes) -> Size | None:
    """Reads the size from the head of a picture; None when it has no such head."""
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size is judged where it is decoded
            with Image.open(source) as image:
                stored = (image.height, image.width)
                orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # a broken file makes Pillow raise nearly anything
        return None
    turned = (stored[1], stored[0])
    return Size(stored, turned if orientation in range(5, 9) else stored)
