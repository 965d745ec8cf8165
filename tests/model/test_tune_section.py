import pydantic
import pytest

from model import config, tune_section

SETTINGS = config.TrainerConfig()


def tune(key="train.learning_rate", trials=2, **search):
    search = search or {"min": 1e-5, "max": 1e-3, "scale": "log"}
    return tune_section.TuneConfig.model_validate(
        {"trials": trials, "search": {key: search}}
    )


def refusal(*arguments, settings=SETTINGS, **search):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        tune_section.check(tune(*arguments, **search), settings)
    return str(caught.value)


def test_values_take_the_place_of_those_below_sections():
    values = {"train.learning_rate": 0.5, "train.augment.crop_size": 64}
    found = tune_section.overlaid(SETTINGS, values)
    assert (found.train.learning_rate, found.train.augment.crop_size) == (0.5, 64)
    assert found.train.batch_size == SETTINGS.train.batch_size
    assert SETTINGS.train.learning_rate == 1e-4
    assert tune_section.overlay({"a": {"b": 1, "c": 2}}, {"a.b": 3, "d.e": 4}) == {
        "a": {"b": 3, "c": 2},
        "d": {"e": 4},
    }


def test_a_trial_has_the_length_of_the_section_and_else_that_of_the_training():
    recipe = config.TrainConfig.model_validate({"epochs": 3})
    settings = config.TrainerConfig(train=recipe)
    assert tune_section.of_trials(settings, tune()) == settings
    short = tune_section.TuneConfig(steps=7)
    found = tune_section.of_trials(settings, short).train
    assert (found.steps, found.epochs) == (7, None)


@pytest.mark.parametrize(
    ("key", "search", "values"),
    [
        ("train.learning_rate", {"min": 1, "max": 2}, (1.0, 2.0)),
        ("train.batch_size", {"min": 1, "max": 4, "step": 1}, (1, 4)),
        ("train.learning_rate", {"values": ["1e-4", 1]}, (1e-4, 1.0)),
        ("train.schedule", {"values": ["cosine", "step"]}, ("cosine", "step")),
        ("train.xla", {"values": [True, False]}, (True, False)),
        ("model.decoder.num_layers", {"values": [3, 6]}, (3, 6)),
    ],
)
def test_what_is_tried_has_the_type_of_its_key(key, search, values):
    section = tune_section.SearchConfig.model_validate(search)
    found = tune_section.typed(SETTINGS, key, section)
    assert found.values == values
    assert [type(each) for each in found.values] == [type(each) for each in values]
    assert found.is_range == ("values" not in search)


@pytest.mark.parametrize(
    ("key", "search", "message"),
    [
        ("train.learning", {}, "train.learning: unknown key 'learning' below train"),
        ("data.short_side", {}, "unknown key 'data'.* Known here: train, model"),
        ("train.seed.more", {}, "unknown key 'more' below train.seed. It has no keys"),
        ("train.augment", {}, "tune.search.train.augment: is a section"),
        ("train.steps", {}, "train.steps: cannot be searched: .*tune.steps"),
        ("train.validation.images", {}, "cannot be searched: trials are compared"),
        ("model.backbone.name", {}, "model.backbone.name: cannot be searched"),
        ("train.learning_rate", {"min": -1, "max": 1}, "learning_rate: got -1.0: .*gr"),
        ("train.batch_size", {"min": 1.5, "max": 4}, "batch_size: got 1.5: .*integer"),
        ("train.batch_size", {"min": 1, "max": 4, "step": 0.5}, "wanted a whole one"),
        ("train.schedule", {"values": ["step", "sine"]}, "schedule: got 'sine': "),
        ("train.xla", {"min": 0, "max": 1}, r"train.xla: has no range; wanted values"),
        ("train.init_from", {"values": ["a"]}, "init_from: cannot be searched"),
        ("train.micro_batches", {"values": [5]}, "not divisible by micro_batches 5"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused_by_its_key(key, search, message):
    import re

    assert re.search(message, refusal(key, **search))
    assert re.search(message, refusal(key, 0, **search)), "also without trials"


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"min": 2, "max": 1}, "min 2.0, max 1.0: wanted a min below a max"),
        ({"min": 2}, "max None: wanted a min below"),
        ({}, "or values:"),
        ({"min": 0, "max": 1, "scale": "log"}, "scale log wants a min above 0"),
        ({"min": 1, "max": 8, "scale": "log", "step": 1}, "so above 1"),
        ({"min": 1, "values": [2]}, "and not both"),
    ],
)
def test_a_range_that_is_none_is_refused(search, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        tune_section.SearchConfig.model_validate(search)


def test_trials_need_a_search_and_something_to_compare_them_by():
    empty = tune_section.TuneConfig(trials=2)
    with pytest.raises(ValueError, match=r"tune.search empty.*train.learning_rate"):
        tune_section.check(empty, SETTINGS)
    blind = tune_section.overlaid(SETTINGS, {"train.validation.every_steps": 0})
    assert "train.validation.every_steps is 0" in refusal(settings=blind)
    spread = tune_section.overlaid(SETTINGS, {"train.distribution": "multi_worker"})
    assert "train.distribution is multi_worker" in refusal(settings=spread)
    tune_section.check(tune(trials=0), blind)


def test_what_lacks_is_named_with_an_example():
    assert tune_section.fault(tune()) is None
    assert "tune.trials: not set" in str(tune_section.fault(tune(trials=0)))
    nothing = str(tune_section.fault(tune_section.TuneConfig()))
    assert nothing.startswith("tune.trials and tune.search: not set")
    assert "train.learning_rate: {min:" in nothing


def test_values_are_told_short():
    told = tune_section.told({"train.learning_rate": 0.000312345, "train.xla": True})
    assert told == "train.learning_rate 0.000312, train.xla True"
