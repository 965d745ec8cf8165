"""Sections below `train`: losses, augmentation, validation."""

from typing import Annotated

import pydantic

from foundation import config_section


class LossConfig(config_section.Section):
    """Weights of the loss terms, equally of the matching costs (paper, section 4.1).

    Attributes:
        class_balance: how far rare classes weigh more in the class loss: an instance of
            a class that training has n of weighs in proportion to n to the power of
            minus this; 0.5 is the inverse square root, 0 is off (`loss.balance`).
    """

    class_weight: config_section.NonNegativeFloat = 2.0
    mask_weight: config_section.NonNegativeFloat = 5.0
    dice_weight: config_section.NonNegativeFloat = 5.0
    no_object_weight: config_section.NonNegativeFloat = 0.1
    class_balance: config_section.Fraction = 0.0
    num_points: config_section.PositiveInt = 12544
    oversample_ratio: Annotated[float, pydantic.Field(ge=1.0)] = 3.0
    importance_ratio: config_section.Fraction = 0.75


class ColourJitterConfig(config_section.Section):
    """How far colours are changed; a change of 0 is never made.

    Attributes:
        brightness, contrast, saturation: the factor is drawn from 1 - x to 1 + x.
        hue: the shift is drawn from -x to x, where 1 is once round the colour circle.
        probability: of each of the four, by itself.
    """

    brightness: config_section.Fraction = 0.0
    contrast: config_section.Fraction = 0.0
    saturation: config_section.Fraction = 0.0
    hue: Annotated[float, pydantic.Field(ge=0.0, le=0.5)] = 0.0
    probability: config_section.Fraction = 0.5


class AugmentConfig(config_section.Section):
    """Large-scale jitter, flip and a fixed square crop of `crop_size` pixels.

    Attributes:
        quarter_turns: turns the crop by 0, 90, 180 or 270 degrees at equal odds, for
            pictures from above, of things that lie any way round.
        copy_paste: probability that objects of another image, augmented by itself, are
            put on top. Doubles the images that are read and decoded, and of several
            workers each makes the whole batch.
    """

    crop_size: config_section.PositiveInt = 1024
    min_scale: config_section.PositiveFloat = 0.1
    max_scale: config_section.PositiveFloat = 2.0
    flip_probability: config_section.Fraction = 0.5
    quarter_turns: bool = False
    copy_paste: config_section.Fraction = 0.0
    colour_jitter: ColourJitterConfig = ColourJitterConfig()

    @pydantic.model_validator(mode="after")
    def _check(self) -> "AugmentConfig":
        if self.min_scale > self.max_scale:
            raise ValueError(
                f"min_scale {self.min_scale} is larger than max_scale {self.max_scale}"
            )
        if self.crop_size % 32:
            raise ValueError(f"crop_size {self.crop_size} is not a multiple of 32")
        return self


class ValidationConfig(config_section.Section):
    """Mask AP on the eval split in the course of a training.

    Attributes:
        every_steps: how often; the last step is judged as well. 0 never judges, and
            exports the weights of the last step instead of the best.
        images: so many of the eval split, drawn by lot from the seed; 0 takes all.
        patience: training ends when so many judgements in a row bring nothing better
            than the best; 0 always makes all steps.
        pictures: images that are drawn for TensorBoard, truth beside detections.
    """

    every_steps: config_section.NonNegativeInt = 5_000
    images: config_section.NonNegativeInt = 500
    patience: config_section.NonNegativeInt = 0
    pictures: config_section.NonNegativeInt = 4
