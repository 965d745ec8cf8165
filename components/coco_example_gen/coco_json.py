"""The COCO instances format as it is accepted; `schemas/` holds it as JSON Schema."""

import pathlib
from typing import Annotated

import pydantic

from components.coco_example_gen import problems
from pipeline import errors

Id = Annotated[int, pydantic.Field(strict=True, ge=0, lt=2**63)]
Pixels = Annotated[int, pydantic.Field(ge=1, lt=2**16)]


class CocoImage(pydantic.BaseModel):
    """One picture; `file_name` is relative to an image folder."""

    id: Id
    file_name: Annotated[str, pydantic.Field(min_length=1)]
    height: Pixels
    width: Pixels


class CocoAnnotation(pydantic.BaseModel):
    """One instance. `bbox` (x, y, width, height) and `area` are checked, not used.

    `segmentation` is a list of polygons or an RLE object; its content is checked
    when it is drawn.
    """

    id: Id
    image_id: Id
    category_id: Id
    iscrowd: Annotated[int, pydantic.Field(ge=0, le=1)] = 0
    segmentation: list | dict | None = None
    bbox: list[float] | None = None
    area: float | None = None


class CocoCategory(pydantic.BaseModel):
    """One class."""

    id: Id
    name: Annotated[str, pydantic.Field(min_length=1)]


class CocoInstances(pydantic.BaseModel):
    """A whole file; keys that are not named here are passed over."""

    images: list[CocoImage]
    annotations: list[CocoAnnotation]
    categories: list[CocoCategory]


def read(path: pathlib.Path) -> CocoInstances:
    """Reads a file and checks its structure.

    Raises:
        CocoFormatError: not readable, not JSON, or not of the COCO instances format;
            names the first 20 places.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise errors.CocoFormatError(
            f"{path}: cannot be read: {error.strerror}. Check the file and its rights."
        ) from None
    try:
        return CocoInstances.model_validate_json(content)
    except pydantic.ValidationError as error:
        raise errors.CocoFormatError(_explain(path, error)) from None


def _explain(path: pathlib.Path, error: pydantic.ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return f"{path}: not JSON: {found[0]['msg']}. Export the annotations anew."
    if not found[0]["loc"]:
        return (
            f"{path}: not COCO: holds a {type(found[0]['input']).__name__}, wanted an "
            "object with images, annotations and categories (a list is a results file)."
        )
    lines = []
    for fault in found[: problems.MAX_EXAMPLES]:
        place = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}"
            for part in fault["loc"]
        )
        shown = "" if fault["type"] == "missing" else f", got {_short(fault['input'])}"
        lines.append(f"{place.removeprefix('.')}: {fault['msg']}{shown}")
    return (
        f"{path}: not the COCO instances format; "
        f"{problems.fault_list(error.error_count(), lines)}"
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
