import pydantic
import pytest

from model import train_sections


@pytest.mark.parametrize(
    ("kind", "last_good", "first_bad", "message"),
    [
        (
            train_sections.AugmentConfig,
            {"min_scale": 2.0},
            {"min_scale": 2.1},
            "min_scale 2.1 is larger than max_scale 2.0",
        ),
        (
            train_sections.AugmentConfig,
            {"crop_size": 96},
            {"crop_size": 100},
            "crop_size 100 is not a multiple of 32",
        ),
        (
            train_sections.LossConfig,
            {"oversample_ratio": 1.0},
            {"oversample_ratio": 0.99},
            "oversample_ratio",
        ),
        (
            train_sections.LossConfig,
            {"importance_ratio": 1.0},
            {"importance_ratio": 1.01},
            "importance_ratio",
        ),
        (train_sections.ColourJitterConfig, {"hue": 0.5}, {"hue": 0.51}, "hue"),
        (
            train_sections.ValidationConfig,
            {"every_steps": 0, "images": 0, "patience": 0, "pictures": 0},
            {"every_steps": -1},
            "every_steps",
        ),
    ],
)
def test_a_value_ends_where_it_has_no_meaning(kind, last_good, first_bad, message):
    kind.model_validate(last_good)
    with pytest.raises(pydantic.ValidationError, match=message):
        kind.model_validate(first_bad)
