"""Blesses or refuses a candidate. Undefined is never blessed."""

import dataclasses

from components.coco_evaluator import thresholds
from model.evaluation import coco_metrics


@dataclasses.dataclass(frozen=True)
class Check:
    """One threshold held against one number.

    Attributes:
        class_name: of the class, or None for the mean over all.
        is_change: the number is the difference to the baseline.
        value: None when there is nothing to hold against the threshold.
        reason: one clause for the user.
    """

    passed: bool
    reason: str
    class_name: str | None = None
    is_change: bool = False
    value: float | None = None
    threshold: float | None = None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The decision and everything that led to it.

    Attributes:
        notes: what has no part in the decision but must be known with it.
    """

    blessed: bool
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Of a refusal only the failed checks, else all; then the notes."""
        told = [each.reason for each in self.checks if self.blessed or not each.passed]
        return told + list(self.notes)

    @property
    def reason(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)


def decide(
    metrics: coco_metrics.MaskMetrics,
    baseline: coco_metrics.MaskMetrics | None,
    wanted: thresholds.Thresholds,
    baseline_problem: str = "",
) -> Verdict:
    """Blesses a defined mask AP that holds every threshold.

    Without a baseline, or with one that cannot be scored, the change threshold is not
    held against anything: a broken old model must not keep a good new one from
    replacing it. The verdict says so.

    Args:
        baseline_problem: why there is a baseline but no metrics of it.
    """
    undefined = _why_undefined(metrics, wanted)
    if undefined:
        return refuse(undefined)
    checks = []
    if wanted.min_mask_ap is not None:
        checks.append(_check_floor(metrics.mask_ap, wanted.min_mask_ap))
    notes = []
    if baseline_problem:
        notes.append(f"the baseline could not be scored: {baseline_problem}")
    elif baseline is None:
        notes.append("no baseline to compare with")
    elif wanted.min_change is not None:
        checks.append(_check_change(metrics.mask_ap, baseline, wanted.min_change))
    for name, floor in sorted(wanted.class_floors.items()):
        checks.append(_check_class(metrics, name, floor))
    return Verdict(all(check.passed for check in checks), tuple(checks), tuple(notes))


def refuse(reason: str) -> Verdict:
    """The verdict on a candidate that could not be measured."""
    return Verdict(False, (Check(passed=False, reason=reason),))


def _why_undefined(
    metrics: coco_metrics.MaskMetrics, wanted: thresholds.Thresholds
) -> str:
    if metrics.num_images == 0:
        return "the eval split has no images"
    if metrics.num_objects == 0:
        return f"the {metrics.num_images} eval images have no objects"
    if metrics.num_detections == 0:
        return f"the model finds nothing in any of {metrics.num_images} eval images"
    if not 0.0 <= metrics.mask_ap <= 1.0:  # NaN and COCO's -1 land here
        return f"mask AP is undefined ({metrics.mask_ap})"
    if wanted == thresholds.Thresholds():
        return "no threshold is configured, so nothing would be proven"
    return ""


def _check_floor(value: float, floor: float) -> Check:
    relation = "reaches" if value >= floor else "is below"
    return Check(
        passed=value >= floor,
        reason=f"mask AP {value:.4f} {relation} the floor {floor:g}",
        value=value,
        threshold=floor,
    )


def _check_change(
    value: float, baseline: coco_metrics.MaskMetrics, min_change: float
) -> Check:
    change = value - baseline.mask_ap  # NaN fails the comparison
    passed = change >= min_change
    relation = "within" if passed else "outside"
    return Check(
        passed=passed,
        reason=(
            f"mask AP changes by {change:+.4f} against the baseline's "
            f"{baseline.mask_ap:.4f}, {relation} the floor {min_change:+g}"
        ),
        is_change=True,
        value=change,
        threshold=min_change,
    )


def _check_class(metrics: coco_metrics.MaskMetrics, name: str, floor: float) -> Check:
    found = [each for each in metrics.classes if each.name == name]
    if not found:
        known = ", ".join(each.name for each in metrics.classes[:20])
        reason = f"class {name!r} has a floor but does not exist; there are {known}"
        return Check(passed=False, reason=reason, class_name=name, threshold=floor)
    value = min(found, key=lambda each: each.mask_ap).mask_ap  # names may repeat
    if any(each.mask_ap != each.mask_ap for each in found):
        reason = f"class {name!r} has a floor but no objects in the eval split"
        return Check(passed=False, reason=reason, class_name=name, threshold=floor)
    relation = "reaches" if value >= floor else "is below"
    return Check(
        passed=value >= floor,
        reason=f"AP {value:.4f} of class {name!r} {relation} its floor {floor:g}",
        class_name=name,
        value=value,
        threshold=floor,
    )
