"""What CocoExampleGen is told: the part of the section `data` for ingestion."""

import re
from typing import Annotated, Literal

import pydantic

from foundation import config_section


class IngestSettings(config_section.Section):
    """What CocoExampleGen's records and report depend on beside the data.

    Attributes:
        layout: how the folder is laid out; `auto` looks for each in turn.
        label_pattern: for LabelMe; a regular expression. Of a label that it matches as
            a whole, the first group is the class, and equal labels in a picture are
            parts of one instance: `(.+)[_-][0-9]+` reads car_1 and car_2 as two cars.
        eval_fraction: share of images held out when the data has no eval split.
        split_seed: seed of that split.
        on_problem: `repair` repairs or leaves out what it can and stops at what
            contradicts itself; `strict` stops at anything it would repair or leave out;
            `report` leaves out what `repair` would stop at, and reports it.
        max_pixels: a picture of more is left out before it is decoded. Pillow refuses
            more than the upper bound whatever is set here.
        max_annotation_bytes: an annotation file of more is refused; reading one takes
            about twice its size in memory.
    """

    layout: Literal["auto", "coco", "roboflow", "panoptic", "labelme", "single"] = (
        "auto"
    )
    label_pattern: str | None = None
    eval_fraction: Annotated[float, pydantic.Field(gt=0.0, lt=1.0)] = 0.2
    split_seed: int = 0
    on_problem: Literal["strict", "repair", "report"] = "repair"
    max_pixels: Annotated[int, pydantic.Field(gt=0, le=178_956_970)] = 100_000_000
    max_annotation_bytes: config_section.PositiveInt = 4 * 1024**3

    @pydantic.field_validator("label_pattern")
    @classmethod
    def _check_label_pattern(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        if not groups:
            raise ValueError(
                "has no group for the class; put it in brackets, as in (.+)[_-][0-9]+"
            )
        return pattern
