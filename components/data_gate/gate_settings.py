"""What DataGate is told, the section `data.gate`: what stops a run, what is told."""

from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from components.coco_example_gen import problems
from foundation import config_section

Severity = Literal["error", "warning", "off"]
# The gate's answer to a kind of ingestion problem that is not named here. `error`
# reaches the gate only when data.on_problem let ingestion go on without.
_BY_SEVERITY: dict[str, Severity] = {
    "error": "warning",
    "dropped": "warning",
    "repaired": "off",
    "noted": "off",
}
_BY_KIND: dict[str, Severity] = {
    "unsafe_path": "error",
    "missing_image": "error",
    "broken_image": "error",
    "oversized_image": "error",
    "class_absent_from_split": "warning",
    "image_in_both_splits": "warning",
    "mask_covers_image": "warning",
}


class Check(config_section.Section):
    """One check.

    Attributes:
        severity: what a value above the limit does: `error` stops the run, `warning`
            is told and recorded, `off` is recorded only.
        limit: the largest value that passes.
    """

    severity: Severity
    limit: config_section.NonNegativeFloat


class InstancesCheck(Check):
    """A check of classes with fewer than `min_instances` training instances."""

    min_instances: config_section.PositiveInt


def _problem_checks() -> dict[str, Check]:
    return {
        kind: Check(severity=_BY_KIND.get(kind, _BY_SEVERITY[severity]), limit=0)
        for kind, severity in problems.SEVERITIES.items()
    }


class GateConfig(config_section.Section):
    """Of every check, what is not given keeps its default.

    Attributes:
        problems: by kind of ingestion problem, how many there are.
        anomalies: features of a split that break schemas/coco_examples.pbtxt.
        images_without_statistics: stored images that no statistics cover.
        images_over_queries: images with more instances than model.decoder.num_queries.
        class_imbalance: instances of the most frequent class of the training split per
            instance of the rarest.
        rare_classes: classes with too few training instances.
        empty_images: share of a split's images that show no instance.
        class_drift: L-infinity distance of a split's class frequencies from those of
            the data before.
        feature_drift: Jensen-Shannon divergence (base 2, 0 to 1) of a split's mask
            areas, image heights or image widths from those of the data before.
    """

    problems: dict[str, Check] = pydantic.Field(default_factory=_problem_checks)
    anomalies: Check = Check(severity="error", limit=0)
    images_without_statistics: Check = Check(severity="error", limit=0)
    images_over_queries: Check = Check(severity="warning", limit=0)
    class_imbalance: Check = Check(severity="warning", limit=1000)
    rare_classes: InstancesCheck = InstancesCheck(
        severity="warning", limit=0, min_instances=10
    )
    empty_images: Check = Check(severity="warning", limit=0.5)
    class_drift: Check = Check(severity="warning", limit=0.1)
    feature_drift: Check = Check(severity="warning", limit=0.1)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _complete(cls, given: Any, field: pydantic.ValidationInfo) -> Any:
        """Puts the defaults beside the keys that are given of a check."""
        if not isinstance(given, Mapping):
            return given
        default = cls.model_fields[str(field.field_name)].get_default(
            call_default_factory=True
        )
        if isinstance(default, Check):
            return {**default.model_dump(), **given}
        return _complete_problems(given, default)


def _complete_problems(
    given: Mapping[str, Any], defaults: Mapping[str, Check]
) -> dict[str, Any]:
    complete: dict[str, Any] = dict(defaults)
    for kind, value in given.items():
        if kind not in defaults:
            raise ValueError(
                f"{kind} is no kind of problem. Known are: "
                f"{', '.join(sorted(defaults))}"
            )
        is_part = isinstance(value, Mapping)
        complete[kind] = {**defaults[kind].model_dump(), **value} if is_part else value
    return complete
