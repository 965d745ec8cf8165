"""The `data` section of the configuration."""

from typing import Annotated, Literal

import pydantic

from pipeline import config_section


class DataConfig(config_section.Section):
    """Where examples come from, and the size they are evaluated and served at.

    Attributes:
        layout: how the folder is laid out; `auto` looks for each in turn.
        eval_fraction: share of images held out when the data has no eval split.
        split_seed: seed of that split.
        short_side, long_side: an image is scaled until its short side is `short_side`
            pixels, unless its long side would pass `long_side` pixels first.
        pad_multiple: canvas sides are padded up to a multiple of this many pixels.
        pixel_statistics: normalise with ImageNet's mean and deviation (needed by
            pretrained backbones) or with those of the training split.
        max_problems: how many ingestion problems of a kind the data gate lets pass;
            a kind that is not named has its limit in `data_gate.checks.DEFAULT_LIMITS`.
    """

    layout: Literal["auto", "coco", "roboflow", "single"] = "auto"
    eval_fraction: Annotated[float, pydantic.Field(gt=0.0, lt=1.0)] = 0.2
    split_seed: int = 0
    short_side: config_section.PositiveInt = 800
    long_side: config_section.PositiveInt = 1333
    pad_multiple: config_section.PositiveInt = 32
    pixel_statistics: Literal["imagenet", "dataset"] = "imagenet"
    max_problems: dict[str, config_section.NonNegativeInt] = {}

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
