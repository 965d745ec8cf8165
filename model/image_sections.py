"""The section `data` as far as the network sees it: sizes and normalisation."""

from typing import Literal

import pydantic

from foundation import config_section


class PixelStatistics(config_section.Section):
    """What images are normalised with: (RGB values 0..255 - mean) / std."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET_PIXELS = PixelStatistics(
    mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)
)


class ImageConfig(config_section.Section):
    """The size images are evaluated and served at, and how they are normalised.

    Attributes:
        short_side, long_side: an image is scaled until its short side is `short_side`
            pixels, unless its long side would pass `long_side` pixels first.
        pad_multiple: canvas sides are padded up to a multiple of this many pixels.
        pixel_statistics: normalise with what the backbone's published weights were
            trained with, with ImageNet's mean and deviation, or with those of the
            training split.
    """

    short_side: config_section.PositiveInt = 800
    long_side: config_section.PositiveInt = 1333
    pad_multiple: config_section.PositiveInt = 32
    pixel_statistics: Literal["backbone", "imagenet", "dataset"] = "backbone"

    @pydantic.model_validator(mode="after")
    def _check(self) -> "ImageConfig":
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
