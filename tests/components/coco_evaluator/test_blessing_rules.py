import dataclasses

import pytest

from components.coco_evaluator import blessing_rules, thresholds
from model.evaluation import coco_metrics

NAN = float("nan")
FLOOR = thresholds.Thresholds(min_mask_ap=0.5, min_change=-0.01)


def metrics(mask_ap, classes=(("disk", 0.6), ("box", 0.4)), **changes):
    table = tuple(
        coco_metrics.ClassMetrics(number, name, 5, ap, ap)
        for number, (name, ap) in enumerate(classes)
    )
    values = {
        field.name: 0.5
        for field in dataclasses.fields(coco_metrics.MaskMetrics)
        if field.name != "classes"
    }
    values |= {"num_images": 10, "num_objects": 30, "num_detections": 40}
    values |= {"mask_ap": mask_ap} | changes
    return coco_metrics.MaskMetrics(**values, classes=table)


@pytest.mark.parametrize(
    ("mask_ap", "blessed"), [(0.51, True), (0.5, True), (0.4999, False)]
)
def test_the_floor_itself_is_enough(mask_ap, blessed):
    verdict = blessing_rules.decide(metrics(mask_ap), None, FLOOR)
    assert verdict.blessed is blessed
    assert "floor 0.5" in verdict.reason
    assert "no baseline" in verdict.reason


@pytest.mark.parametrize(
    ("before", "blessed"), [(0.6, True), (0.61, True), (0.615, False), (0.2, True)]
)
def test_a_candidate_may_fall_one_point_behind_the_baseline(before, blessed):
    verdict = blessing_rules.decide(metrics(0.6001), metrics(before), FLOOR)
    assert verdict.blessed is blessed
    assert f"baseline's {before:.4f}" in verdict.reason or blessed


def test_a_positive_change_asks_for_an_improvement():
    wanted = thresholds.Thresholds(min_mask_ap=0.0, min_change=0.005)
    assert not blessing_rules.decide(metrics(0.6), metrics(0.6), wanted).blessed
    assert blessing_rules.decide(metrics(0.606), metrics(0.6), wanted).blessed


@pytest.mark.parametrize("mask_ap", [NAN, -1.0, float("inf")])
def test_an_undefined_ap_is_not_blessed_by_any_floor(mask_ap):
    wanted = thresholds.Thresholds(min_mask_ap=0.0)
    verdict = blessing_rules.decide(metrics(mask_ap), None, wanted)
    assert not verdict.blessed
    assert "undefined" in verdict.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_images": 0}, "no images"),
        ({"num_objects": 0}, "no objects"),
        ({"num_detections": 0}, "finds nothing"),
    ],
)
def test_nothing_measured_is_not_blessed(changes, reason):
    verdict = blessing_rules.decide(metrics(0.9, **changes), None, FLOOR)
    assert not verdict.blessed
    assert reason in verdict.reason


def test_an_undefined_baseline_is_not_passed_over():
    verdict = blessing_rules.decide(metrics(0.9), metrics(NAN), FLOOR)
    assert not verdict.blessed
    assert "nan" in verdict.reason


def test_a_broken_baseline_is_said_and_does_not_block():
    verdict = blessing_rules.decide(
        metrics(0.9), None, FLOOR, baseline_problem="no file"
    )
    assert verdict.blessed
    assert "the baseline could not be scored: no file" in verdict.reason


def test_without_any_threshold_nothing_is_blessed():
    verdict = blessing_rules.decide(metrics(0.9), None, thresholds.Thresholds())
    assert not verdict.blessed
    assert "no threshold" in verdict.reason


@pytest.mark.parametrize(
    ("floors", "blessed", "reason"),
    [
        ({"box": 0.4}, True, "AP 0.4000 of class 'box' reaches its floor 0.4"),
        ({"box": 0.41}, False, "AP 0.4000 of class 'box' is below its floor 0.41"),
        ({"ball": 0.1}, False, "'ball' has a floor but does not exist; there are disk"),
        ({"none": 0.0}, False, "'none' has a floor but no objects"),
    ],
)
def test_floors_of_single_classes(floors, blessed, reason):
    classes = (("disk", 0.6), ("box", 0.4), ("none", NAN))
    wanted = thresholds.Thresholds(min_mask_ap=0.1, class_floors=floors)
    verdict = blessing_rules.decide(metrics(0.5, classes), None, wanted)
    assert verdict.blessed is blessed
    assert reason in verdict.reason


def test_the_worst_of_two_classes_of_one_name_decides():
    wanted = thresholds.Thresholds(min_mask_ap=0.1, class_floors={"disk": 0.3})
    verdict = blessing_rules.decide(
        metrics(0.5, (("disk", 0.9), ("disk", 0.2))), None, wanted
    )
    assert not verdict.blessed


def test_a_refusal_names_all_failed_checks_and_no_other():
    wanted = thresholds.Thresholds(0.7, -0.01, {"box": 0.9, "disk": 0.1})
    verdict = blessing_rules.decide(metrics(0.6), metrics(0.65), wanted)
    assert len(verdict.reasons) == 3
    assert "'disk'" not in verdict.reason
