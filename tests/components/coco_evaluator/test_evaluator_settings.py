import pydantic
import pytest

from components.coco_evaluator import evaluator_settings
from foundation import errors
from pipeline.settings import config_file

NAN = float("nan")


def read(**values):
    return evaluator_settings.EvaluateConfig.model_validate(values)


@pytest.mark.parametrize(
    "values",
    [
        {"min_mask_ap": 0.0},
        {"min_mask_ap": 1.0},
        {"min_mask_ap_change": -1.0},
        {"min_mask_ap_change": 1.0},
        {"min_class_ap": {"cat": 0.0, "big dog": 1.0}},
        {"batch_size": 1},
    ],
)
def test_the_ends_of_a_range_belong_to_it(values):
    found = read(**values)
    assert found.model_dump(include=set(values)) == values
    assert read(**found.model_dump()) == found


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"min_mask_ap": 37.0}, ("min_mask_ap",)),  # a percentage
        ({"min_mask_ap": -0.1}, ("min_mask_ap",)),
        ({"min_mask_ap": NAN}, ("min_mask_ap",)),  # no AP is below it
        ({"min_mask_ap_change": -1.1}, ("min_mask_ap_change",)),
        ({"min_mask_ap_change": 2}, ("min_mask_ap_change",)),
        ({"min_mask_ap_change": NAN}, ("min_mask_ap_change",)),
        ({"min_class_ap": {"cat": 0.5, "dog": 50}}, ("min_class_ap", "dog")),
        ({"min_class_ap": {"dog": NAN}}, ("min_class_ap", "dog")),
        ({"min_class_ap": 0.5}, ("min_class_ap",)),
        ({"batch_size": 0}, ("batch_size",)),
        ({"batch_size": 1.5}, ("batch_size",)),
        ({"min_ap": 0.5}, ("min_ap",)),
    ],
)
def test_a_value_that_could_bless_anything_or_nothing_is_refused(values, place):
    with pytest.raises(pydantic.ValidationError) as refused:
        read(**values)
    assert [error["loc"] for error in refused.value.errors()] == [place]


def test_unless_asked_a_model_may_lose_one_point_and_needs_none():
    assert read().model_dump() == {
        "min_mask_ap": 0.0,
        "min_mask_ap_change": -0.01,
        "min_class_ap": {},
        "batch_size": 1,
    }


def test_settings_do_not_change_after_they_were_checked():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        read().min_mask_ap = 37.0


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("evaluate.min_mask_ap=37", "evaluate.min_mask_ap"),
        ("evaluate.min_class_ap={dog: 50}", "evaluate.min_class_ap.dog"),
        ("evaluate.min_ap=0.5", "Known here: min_mask_ap, min_mask_ap_change"),
    ],
)
def test_a_fault_of_the_section_is_told_with_its_key(override, told):
    with pytest.raises(errors.ConfigError, match=told):
        config_file.load("demo.yaml", [override])
