"""Section `tune`: which values are tried before a training, and how they are taken."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from foundation import config_section
from model import config

_SECTIONS = ("train", "model")
_WEIGHTS_FIT = "decides which weights and pixels fit, before a trial begins"
# Keys that no trial may change, with the reason.
_FIXED = {
    "train.steps": "the length of a trial is tune.steps",
    "train.epochs": "the length of a trial is tune.steps",
    "train.init_from": "the graph looks at the weights before a trial begins",
    "train.distribution": "it is the same for all trials",
    "model.backbone.name": _WEIGHTS_FIT,
    "model.backbone.depth": _WEIGHTS_FIT,
    "model.backbone.stem_width": _WEIGHTS_FIT,
    "model.backbone.norm": _WEIGHTS_FIT,
    "model.decoder.num_queries": "the data gate has judged the data by it",
}
_FIXED_SECTIONS = {"train.validation": "trials are compared by it"}
_EXAMPLE = (
    "tune: {trials: 8, steps: 500, search: {train.learning_rate: "
    "{min: 0.00003, max: 0.001, scale: log}}}"
)


class SearchConfig(config_section.Section):
    """What is tried of one key: a range or a list.

    Attributes:
        min, max: of a range, both included.
        scale: how a range is drawn from; in `log`, every factor is as likely.
        step: of a range: the distance between values, in `log` the factor.
        values: numbers, texts or truth values, of one kind.
    """

    min: float | None = None
    max: float | None = None
    scale: Literal["linear", "log"] = "linear"
    step: config_section.PositiveFloat | None = None
    values: tuple[bool | int | float | str, ...] = ()

    @property
    def ends(self) -> tuple[bool | int | float | str | None, ...]:
        """What has to be valid: both ends, or every value."""
        return self.values or (self.min, self.max)

    @pydantic.model_validator(mode="after")
    def _check(self) -> "SearchConfig":
        low, high = self.min, self.max
        if self.values:
            if low is not None or high is not None or self.step is not None:
                raise ValueError("wanted either values, or min and max, and not both")
            return self
        if low is None or high is None or low >= high:
            raise ValueError(
                f"min {low}, max {high}: wanted a min below a max, or values: [...]"
            )
        if self.scale == "log" and low <= 0:
            raise ValueError(f"min {low}: scale log wants a min above 0")
        if self.scale == "log" and self.step is not None and self.step <= 1:
            raise ValueError(f"step {self.step}: a factor in scale log, so above 1")
        return self


class TuneConfig(config_section.Section):
    """Trials before the training; the best values are what is trained with.

    Attributes:
        trials: at most; 0 tries nothing, and the graph has no Tuner.
        search: by the key of the configuration, such as `train.learning_rate`.
        strategy: draws values by lot, or where earlier trials promise most.
        steps: of each trial; None takes the length of the training.
    """

    trials: config_section.NonNegativeInt = 0
    search: dict[str, SearchConfig] = {}
    strategy: Literal["random", "bayesian"] = "random"
    steps: config_section.PositiveInt | None = None
    seed: config_section.NonNegativeInt = 0


def overlaid(
    settings: config.TrainerConfig, values: Mapping[str, Any]
) -> config.TrainerConfig:
    """Settings with other values.

    Args:
        values: by dotted keys that exist.

    Raises:
        pydantic.ValidationError: the values cannot be used, or not together.
    """
    changed = overlay(settings.model_dump(), values)
    return config.TrainerConfig.model_validate(changed)


def overlay(settings: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with plain values instead of settings, unchecked."""
    changed = dict(settings)
    for key, value in values.items():
        first, _, rest = key.partition(".")
        below = changed.get(first, {})
        changed[first] = overlay(below, {rest: value}) if rest else value
    return changed


def of_trials(settings: config.TrainerConfig, tune: TuneConfig) -> config.TrainerConfig:
    """What a trial trains with, but for what is searched."""
    if tune.steps is None:
        return settings
    return overlaid(settings, {"train.steps": tune.steps, "train.epochs": None})


@dataclasses.dataclass(frozen=True)
class Typed:
    """What is tried of a key, in the type of the key.

    Attributes:
        values: of a list; both ends of a range.
    """

    values: tuple[Any, ...]
    is_range: bool


def typed(settings: config.TrainerConfig, key: str, search: SearchConfig) -> Typed:
    """What is tried of a key, as the configuration takes it.

    Raises:
        ValueError: the key is not there or fixed, or a value cannot be used.
    """
    _require_known(settings, key)
    values = tuple(_accepted(settings, key, value) for value in search.ends)
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        values, kinds = tuple(float(value) for value in values), {float}
    if len(kinds) > 1 or not kinds <= {bool, int, float, str}:
        raise ValueError(f"tune.search.{key}: wanted values of one kind")
    if not search.values:
        _check_range(key, search, values)
    return Typed(values, not search.values)


def check(tune: TuneConfig, settings: config.TrainerConfig) -> None:
    """Refuses a search that could not be made.

    Raises:
        ValueError: naming the key.
    """
    for key, search in tune.search.items():
        typed(settings, key, search)
    if not tune.trials:
        return
    if not tune.search:
        raise ValueError(
            f"tune.trials is {tune.trials} and tune.search empty. Name what is to be "
            f"tried, as in {_EXAMPLE}"
        )
    if not settings.train.validation.every_steps:
        raise ValueError(
            "tune.trials are compared by mask AP, and train.validation.every_steps is "
            "0. Set it to a number of steps; the last one is judged anyway"
        )
    if settings.train.distribution == "multi_worker":
        raise ValueError(
            "tune.trials run on one machine, and train.distribution is multi_worker. "
            "Tune with none or mirrored, and train with the values that it found"
        )


def fault(tune: TuneConfig) -> str | None:
    """Why there is nothing to tune; None when there is."""
    lacking = [f"tune.{key}" for key in ("trials", "search") if not getattr(tune, key)]
    if not lacking:
        return None
    return (
        f"{' and '.join(lacking)}: not set, so there is nothing to try. Wanted as in "
        f"{_EXAMPLE}"
    )


def told(values: Mapping[str, Any]) -> str:
    """`train.learning_rate 0.00031, train.augment.crop_size 256`."""
    return ", ".join(
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
    )


def _require_known(settings: config.TrainerConfig, key: str) -> None:
    where = f"tune.search.{key}"
    section: Any = settings
    parts = key.split(".")
    for depth, part in enumerate(parts):
        fields = getattr(type(section), "model_fields", {}) if section else {}
        known = list(fields) if depth else list(_SECTIONS)
        if part not in known:
            there = f"Known here: {', '.join(known)}" if known else "It has no keys"
            above = ".".join(parts[:depth]) or "tune.search"
            raise ValueError(f"{where}: unknown key {part!r} below {above}. {there}")
        section = getattr(section, part)
    if isinstance(section, config_section.Section):
        raise ValueError(f"{where}: is a section; wanted one of its keys")
    above = [each for each in _FIXED_SECTIONS if key.startswith(f"{each}.")]
    reason = _FIXED.get(key) or next((_FIXED_SECTIONS[each] for each in above), None)
    if reason:
        raise ValueError(f"{where}: cannot be searched: {reason}")


def _accepted(settings: config.TrainerConfig, key: str, value: Any) -> Any:
    """A value as the configuration keeps it."""
    try:
        found: Any = overlaid(settings, {key: value})
    except pydantic.ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"tune.search.{key}: got {value!r}: {reason}") from None
    for part in key.split("."):
        found = getattr(found, part)
    return found


def _check_range(key: str, search: SearchConfig, ends: tuple[Any, ...]) -> None:
    if type(ends[0]) not in (int, float):
        raise ValueError(f"tune.search.{key}: has no range; wanted values: [...]")
    if isinstance(ends[0], int) and search.step and search.step % 1:
        raise ValueError(f"tune.search.{key}: step {search.step}: wanted a whole one")
