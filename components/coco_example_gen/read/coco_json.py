"""The COCO instances format as it is accepted; `schemas/` holds it as JSON Schema.

A segmentation is the bulk of a file, so it stays the JSON it was until the image it
belongs to is drawn: a view of the file's bytes, which are held once.
"""

import pathlib
import re
from typing import Annotated, ClassVar, TypeVar

import msgspec

from components.coco_example_gen import problems
from components.coco_example_gen.read import json_faults
from foundation import errors

NO_SEGMENTATION = msgspec.Raw(b"null")

MAX_ID = 2**63 - 1  # of the integers that a record holds
Id = Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)]
Pixels = Annotated[int, msgspec.Meta(ge=1, le=2**16 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1)]
ClassName = Annotated[str, msgspec.Meta(pattern=json_faults.NOT_BLANK)]
# Of keys that exporters fill as they like, and that must not make a file unreadable.
Anything = str | int | float | bool | list | dict | None
Segmentation = Annotated[
    msgspec.Raw, msgspec.Meta(extra_json_schema={"type": ["array", "object", "null"]})
]

_Tables = TypeVar("_Tables", bound=json_faults.Tables)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Texts are matched first, so that what they hold is passed over. Nothing is given back
# and a text that never ends is one too: else a hostile file would take hours.
_TEXT_OR_NOT_A_NUMBER = re.compile(
    rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|NaN|-?Infinity', re.DOTALL
)


class CocoImage(msgspec.Struct, gc=False, kw_only=True):
    """One picture.

    Attributes:
        file_name: relative to an image folder.
        coco_url: names the picture where there is no `file_name`, as in LVIS.
        embedded_in: LabelMe file, relative to the root, that holds the picture.
        root_index: which of several roots it is of.
        listed_segments: for panoptic, PNGs of segments, relative to the root, and the
            segment ids that the file lists for each.
    Readers set the last three; in a COCO file they mean nothing.
    """

    id: Id
    file_name: Name = ""
    height: Pixels
    width: Pixels
    coco_url: Anything = None
    embedded_in: str = ""
    root_index: int = 0
    listed_segments: dict[str, list[int]] = msgspec.field(default_factory=dict)


class CocoAnnotation(msgspec.Struct, gc=False, kw_only=True):
    """One instance. `bbox` (x, y, width, height) and `area` are checked, not used.

    Attributes:
        segmentation: JSON of a list of polygons or of an RLE object, whose content
            is checked when it is drawn.
    """

    id: Id
    image_id: Id
    category_id: Id
    iscrowd: Annotated[int, msgspec.Meta(ge=0, le=1)] | bool = 0
    segmentation: Segmentation = msgspec.field(default_factory=lambda: NO_SEGMENTATION)
    bbox: list[float | None] | None = None
    area: float | None = None


class CocoCategory(msgspec.Struct, gc=False, kw_only=True):
    """One class."""

    id: Id
    name: ClassName
    supercategory: Anything = None


class CocoInstances(json_faults.Tables):
    """A whole file; keys that are not named here are passed over."""

    FORMAT: ClassVar[str] = "COCO instances"
    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]


def read(
    path: pathlib.Path,
    log: problems.ProblemLog,
    file: str,
    max_bytes: int,
) -> CocoInstances:
    """Reads a file and checks its structure.

    Args:
        file: what the log calls the file.

    Raises:
        CocoFormatError: as in `decode`.
    """
    found = decode(path, CocoInstances, log, file, max_bytes)
    complete(path, CocoInstances, found.images)
    return found


def decode(
    path: pathlib.Path,
    wanted: type[_Tables],
    log: problems.ProblemLog,
    file: str,
    max_bytes: int,
) -> _Tables:
    """Reads JSON of a structure, COCO instances or panoptic.

    Whole numbers written as text or with a decimal point ("12", 12.0) are taken for
    what they are; NaN and infinities count as missing. The log is told of both.

    Args:
        file: what the log calls the file.

    Raises:
        CocoFormatError: not readable, too large, not JSON, or of another structure;
            names the first 20 places.
    """
    content, count = load(path, max_bytes), 0
    try:
        try:
            found, odd_place = _decode(content, wanted)
        except msgspec.DecodeError:  # of which a ValidationError is one
            count, content = _without_not_a_numbers(content)
            if not count:
                raise
            found, odd_place = _decode(content, wanted)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise errors.CocoFormatError(
            json_faults.explain(path, content, wanted, error)
        ) from None
    _note_odd_forms(file, odd_place, count, log)
    return found


def load(path: pathlib.Path, max_bytes: int) -> bytes:
    """Reads a JSON file's bytes, without a byte order mark.

    Raises:
        CocoFormatError: not readable, or larger than `max_bytes`.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():  # opening a pipe would wait for somebody to write
            raise errors.CocoFormatError(f"{path}: is no file. Put one in its place.")
        if size > max_bytes:
            raise errors.CocoFormatError(
                f"{path}: has {size} bytes, more than the {max_bytes} that are read at "
                f"once. Split the data set, or allow it with --set "
                f"data.max_annotation_bytes={size}."
            )
        return path.read_bytes().removeprefix(_BYTE_ORDER_MARK)
    except OSError as error:
        raise errors.CocoFormatError(
            f"{path}: cannot be read: {error.strerror}. Check the file and its rights."
        ) from None


def _decode(content: bytes, wanted: type[_Tables]) -> tuple[_Tables, str | None]:
    """What the content holds, and where the first number in another form is."""
    try:
        return msgspec.json.decode(content, type=wanted), None
    except msgspec.ValidationError as error:
        found = msgspec.json.decode(content, type=wanted, strict=False)
        return found, json_faults.place(error)


def _note_odd_forms(
    file: str, odd_place: str | None, count: int, log: problems.ProblemLog
) -> None:
    if odd_place is not None:
        message = f"holds numbers in another form, first at {odd_place}"
        log.add(problems.Problem("number_form", file, message, "read as numbers"))
    if count:
        message = f"holds NaN or an infinity {count} times, which JSON does not have"
        log.add(problems.Problem("not_a_number", file, message, "read as missing"))


def _without_not_a_numbers(content: bytes) -> tuple[int, bytes]:
    """Puts null where Python's json writes NaN and infinities."""
    count = 0

    def replacement(match: re.Match) -> bytes:
        nonlocal count
        if match[0][:1] == b'"':
            return match[0]
        count += 1
        return b"null"

    if b"NaN" in content or b"Infinity" in content:
        content = _TEXT_OR_NOT_A_NUMBER.sub(replacement, content)
    return count, content


def complete(
    path: pathlib.Path, wanted: type[json_faults.Tables], images: list[CocoImage]
) -> None:
    """Takes `train2017/1.jpg` from LVIS's `http://host/train2017/1.jpg`.

    Raises:
        CocoFormatError: an image has neither `file_name` nor `coco_url`.
    """
    nameless = []
    for index, image in enumerate(images):
        image.embedded_in, image.root_index, image.listed_segments = "", 0, {}
        if not image.file_name and isinstance(image.coco_url, str):
            image.file_name = "/".join(image.coco_url.split("/")[-2:])
        if not image.file_name:
            nameless.append(f"images[{index}].file_name: missing")
    if nameless:
        raise errors.CocoFormatError(
            json_faults.not_of_format(path, wanted, len(nameless), nameless)
        )
