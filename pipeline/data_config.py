"""The `data` section of the configuration."""

import re
from typing import Annotated, Literal

import pydantic

from pipeline import config_section, gate_config


class IngestSettings(config_section.Section):
    """What CocoExampleGen's records and report depend on beside the data.

    Attributes:
        layout: how the folder is laid out; `auto` looks for each in turn.
        label_pattern: for LabelMe; a regular expression. Of a label that it matches as
            a whole, the first group is the class, and equal labels in a picture are
            parts of one instance: `(.+)[_-][0-9]+` reads car_1 and car_2 as two cars.
        eval_fraction: share of images held out when the data has no eval split.
        split_seed: seed of that split.
        on_problem: `repair` mends or leaves out what it can and stops at what
            contradicts itself; `strict` stops at anything it would mend or leave out;
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


class DataConfig(IngestSettings):
    """Where examples come from, and the size they are evaluated and served at.

    Attributes:
        short_side, long_side: an image is scaled until its short side is `short_side`
            pixels, unless its long side would pass `long_side` pixels first.
        pad_multiple: canvas sides are padded up to a multiple of this many pixels.
        pixel_statistics: normalise with ImageNet's mean and deviation (needed by
            pretrained backbones) or with those of the training split.
        gate: what stops a run before training, and what is only told.
    """

    short_side: config_section.PositiveInt = 800
    long_side: config_section.PositiveInt = 1333
    pad_multiple: config_section.PositiveInt = 32
    pixel_statistics: Literal["imagenet", "dataset"] = "imagenet"
    gate: gate_config.GateConfig = gate_config.GateConfig()

    def ingest_settings(self) -> IngestSettings:
        """The part that ingestion depends on: a new image size must not ingest anew."""
        names = IngestSettings.model_fields
        return IngestSettings(**{name: getattr(self, name) for name in names})

    @pydantic.model_validator(mode="after")
    def _check(self) -> "DataConfig":
        if self.short_side > self.long_side:
            raise ValueError(
                f"short_side {self.short_side} is larger than long_side "
                f"{self.long_side}; raise long_side or lower short_side"
            )
        if self.pad_multiple % 32:
            raise ValueError(
                f"pad_multiple {self.pad_multiple} is not a multiple of 32, the "
                "coarsest stride of the backbone"
            )
        return self
