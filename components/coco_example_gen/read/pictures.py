"""Reads an image file and decides which bytes are stored."""

import dataclasses
import functools
import hashlib
import io
import pathlib
import warnings

from PIL import Image

from components.coco_example_gen.read import picture_formats, plain_jpegs

_EXIF_ORIENTATION = 0x0112
_TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SUFFIXES = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "png": (".png",),
}
# Of the others, Pillow decodes the whole file to find its EXIF part, and a second try
# to decode a broken one would pass.
_READS_EXIF_ALONE = ("JPEG", "MPO", "TIFF")
# A file of more bytes for each pixel it may have is no picture; BMP needs 4.
_MAX_BYTES_PER_PIXEL = 16
_DRAFT = 8  # libjpeg reads all of a file, and computes one gray pixel of 8 x 8


class BrokenImageError(Exception):
    """The bytes cannot be decoded."""


class OversizedImageError(Exception):
    """The picture has more pixels than are decoded."""


class SizeMismatchError(Exception):
    """The picture's size is not the annotated one, and no EXIF turn explains it."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """What is stored of an image.

    Attributes:
        encoded: JPEG or PNG, 8-bit RGB.
        image_format: `jpeg` or `png`.
        notes: pairs of problem kind and message.
    """

    encoded: bytes
    image_format: str
    notes: tuple[tuple[str, str], ...]

    @functools.cached_property
    def sha256(self) -> str:
        """Of the stored bytes, in hex."""
        return hashlib.sha256(self.encoded).hexdigest()


def load(path: pathlib.Path, height: int, width: int, max_pixels: int) -> Picture:
    """Reads a file that the annotations say is height x width px.

    Raises:
        Those of `decode`.
    """
    limit = _MAX_BYTES_PER_PIXEL * max_pixels
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= limit else b""
    except OSError as error:
        raise BrokenImageError(f"cannot be read: {error.strerror}") from None
    if size > limit:
        raise OversizedImageError(
            f"has {size} bytes, wanted at most {limit} (16 for each pixel of "
            "data.max_pixels)"
        )
    return decode(content, path.suffix, height, width, max_pixels)


def decode(
    content: bytes, suffix: str, height: int, width: int, max_pixels: int
) -> Picture:
    """Decodes the bytes of a picture, and tells how they are stored.

    A plain 8-bit RGB JPEG or PNG is stored byte by byte; anything else is stored as
    an RGB PNG. Whatever is stored is upright and says no other orientation.

    Args:
        suffix: of the file's name, `.jpg`; empty for bytes that were in no file.

    Raises:
        BrokenImageError: empty, truncated or of no known format.
        OversizedImageError: of more than `max_pixels`; nothing was decoded.
        SizeMismatchError: of another size.
    """
    if plain_jpegs.size(content) == (height, width) and height * width <= max_pixels:
        return Picture(content, "jpeg", tuple(_suffix_notes("jpeg", suffix)))
    image = _open(content, max_pixels)
    if image.format not in _READS_EXIF_ALONE:
        _load(image)
    notes: list[tuple[str, str]] = []
    turn = _turn(image, height, width, notes)
    reason = picture_formats.why_not_plain(image, content) or _lie(notes)
    notes += _suffix_notes(picture_formats.STORED_AS.get(image.format or ""), suffix)
    if reason is None and turn is None:
        plain = picture_formats.STORED_AS[image.format or ""]
        if plain == "jpeg":
            across, down = (max(side // _DRAFT, 1) for side in image.size)
            image.draft("L", (across, down))
        _load(image)
        return Picture(content, plain, tuple(notes))
    told = f"{image.format} in mode {image.mode} became a PNG: it "
    told += reason or "is turned by its EXIF orientation"
    if getattr(image, "is_animated", False):
        notes.append(("several_frames", "holds several pictures, the first is taken"))
    _load(image)
    encoded = _encode(image, turn)
    return Picture(encoded, "png", (*notes, ("image_reencoded", told)))


def _suffix_notes(stored_as: str | None, suffix: str) -> list[tuple[str, str]]:
    if stored_as and suffix and suffix.lower() not in _SUFFIXES[stored_as]:
        return [("wrong_suffix", f"is a {stored_as} file in truth")]
    return []


def _open(content: bytes, max_pixels: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large and slightly odd files are fine
            image = Image.open(io.BytesIO(content), formats=picture_formats.READ)
    except Image.DecompressionBombError:
        raise OversizedImageError(
            f"has more pixels than Pillow decodes, wanted at most {max_pixels} "
            "(data.max_pixels)"
        ) from None
    except Exception as error:  # a broken file makes Pillow raise nearly anything
        raise _broken(error) from None
    if image.width * image.height > max_pixels:
        raise OversizedImageError(
            f"has {image.width} x {image.height} px, wanted at most {max_pixels} "
            "pixels (data.max_pixels)"
        )
    return image


def _load(image: Image.Image) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
    except Exception as error:
        raise _broken(error) from None


def _broken(error: Exception) -> BrokenImageError:
    reason = " ".join(str(error).split())
    if isinstance(error, Image.UnidentifiedImageError):  # whose text is an address
        reason = "of no image format that is read"
    return BrokenImageError(f"cannot be decoded: {reason}")


def _turn(
    image: Image.Image, height: int, width: int, notes: list[tuple[str, str]]
) -> Image.Transpose | None:
    """How to turn the picture to what the annotations were drawn on."""
    orientation = _orientation(image)
    turn = _TURNS.get(orientation)
    stored = shown = (image.height, image.width)
    if image.format == "TIFF":  # which Pillow turns while decoding
        turn = None
    elif orientation >= 5 and turn is not None:
        shown = stored[::-1]
    if (height, width) == shown:
        if orientation in range(2, 9):  # what viewers and annotation tools show
            notes.append(("exif_turned", f"turned by EXIF orientation {orientation}"))
        return turn
    if (height, width) == stored:
        notes.append(
            ("exif_ignored", f"EXIF orientation {orientation} contradicts the file")
        )
        return None
    raise SizeMismatchError(
        f"the annotations say {width} x {height} px (width x height), the picture has "
        f"{image.width} x {image.height}; correct the annotation file or the picture"
    )


def _lie(notes: list[tuple[str, str]]) -> str | None:
    """Why a picture cannot be stored as it is: a served model turns what says so."""
    if any(kind == "exif_ignored" for kind, _ in notes):
        return "says that it is turned, and is not"
    return None


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_EXIF_ORIENTATION, 1)
        return found if found in _TURNS else 1
    except Exception:  # broken EXIF says nothing about the picture
        return 1


def _encode(image: Image.Image, turn: Image.Transpose | None) -> bytes:
    """A plain RGB PNG without anything of the source but its pixels."""
    try:
        rgb = picture_formats.to_rgb(image)
        rgb = rgb if turn is None else rgb.transpose(turn)
    except Exception as error:
        raise _broken(error) from None
    rgb.info = {}  # a colour profile or transparency would be written along
    buffer = io.BytesIO()
    rgb.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
