"""What CocoEvaluator is told: the section `evaluate` of the configuration."""

from typing import Annotated

import pydantic

from foundation import config_section


class EvaluateConfig(config_section.Section):
    """What a model must reach to be blessed.

    Attributes:
        min_mask_ap: floor of the COCO mask AP, a fraction.
        min_mask_ap_change: how much the AP may differ from the latest blessed model's;
            -0.01 lets one point be lost, 0.005 asks for half a point more.
        min_class_ap: floors per class name.
        batch_size: images scored at a time.
    """

    min_mask_ap: config_section.Fraction = 0.0
    min_mask_ap_change: Annotated[float, pydantic.Field(ge=-1.0, le=1.0)] = -0.01
    min_class_ap: dict[str, config_section.Fraction] = {}
    batch_size: config_section.PositiveInt = 1
