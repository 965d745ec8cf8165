from typing import Literal

import pydantic
import pytest

from foundation import config_section


class Recipe(config_section.Section):
    share: config_section.Fraction = 0.5
    images: config_section.PositiveInt = 16
    warmup: config_section.NonNegativeInt = 10
    rate: config_section.PositiveFloat = 1e-4
    decay: config_section.NonNegativeFloat = 0.05
    plain: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    is_mixed: bool | None = False
    tried: tuple[bool | int, ...] = ()
    limit: float | Literal[False] = 1.0


def test_a_value_once_set_stays():
    recipe = Recipe(images=4)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        recipe.images = 8
    assert recipe.images == 4


def test_an_unknown_key_is_refused_by_name():
    with pytest.raises(pydantic.ValidationError) as caught:
        Recipe.model_validate({"images": 4, "imagse": 8})
    (problem,) = caught.value.errors()
    assert (problem["type"], problem["loc"]) == ("extra_forbidden", ("imagse",))


@pytest.mark.parametrize(
    ("key", "taken", "refused"),
    [
        ("share", [0.0, 1.0], [-0.01, 1.01]),
        ("images", [1], [0, -1]),
        ("warmup", [0], [-1]),
        ("rate", [1e-12], [0.0, -1e-12]),
        ("decay", [0.0], [-1e-12]),
    ],
)
def test_every_number_ends_where_its_name_says(key, taken, refused):
    for value in taken:
        assert getattr(Recipe.model_validate({key: value}), key) == value
    for value in refused:
        with pytest.raises(pydantic.ValidationError, match=key):
            Recipe.model_validate({key: value})


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("key", ["share", "rate", "decay", "plain"])
def test_what_json_cannot_hold_is_refused_at_once(key, value):
    # A node reads its settings from JSON, which has null for these.
    with pytest.raises(pydantic.ValidationError, match=f"{key}\n.*finite number"):
        Recipe.model_validate({key: float(value)})


def test_a_count_is_never_rounded():
    assert Recipe.model_validate({"images": 4.0}).images == 4
    with pytest.raises(pydantic.ValidationError, match="fractional part"):
        Recipe.model_validate({"images": 4.5})


@pytest.mark.parametrize(
    ("key", "value"),
    [("images", True), ("share", False), ("betas", [0.9, True]), ("plain", True)],
)
def test_a_truth_value_is_no_number(key, value):
    with pytest.raises(pydantic.ValidationError, match=f"{key}\n.*no truth value"):
        Recipe.model_validate({key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("is_mixed", True), ("tried", (True, 2)), ("limit", False), ("images", 1)],
)
def test_a_truth_value_is_taken_where_one_is_wanted(key, value):
    assert getattr(Recipe.model_validate({key: value}), key) == value


def test_a_rate_may_be_written_as_yaml_reads_it_for_a_text():
    # YAML 1.1 has no number without a dot before the exponent.
    assert Recipe.model_validate({"rate": "1e-3"}).rate == 0.001


def test_all_faults_of_a_section_are_told_together():
    with pytest.raises(pydantic.ValidationError) as caught:
        Recipe.model_validate({"images": 0, "share": 2, "speed": 1})
    named = {problem["loc"][0] for problem in caught.value.errors()}
    assert named == {"images", "share", "speed"}
