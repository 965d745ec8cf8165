import math

import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_model_analysis.proto import (
    config_pb2,
    metrics_for_slice_pb2,
    validation_result_pb2,
)

from components.coco_evaluator import blessing_rules, tfma_report
from model.evaluation import coco_metrics

METRICS = coco_metrics.MaskMetrics(
    num_images=10,
    num_objects=30,
    num_detections=40,
    mask_ap=0.5,
    mask_ap50=0.75,
    mask_ap75=0.25,
    mask_ap_small=float("nan"),
    mask_ap_medium=0.375,
    mask_ap_large=0.625,
    mask_ar=0.125,
    box_ap=0.0625,
    box_ap50=0.875,
    classes=(coco_metrics.ClassMetrics(7, "box, long", 20, 0.0, 1.0),),
)
OK = blessing_rules.Check(passed=True, reason="fine", value=0.5, threshold=0.4)


def messages(path, kind):
    return [
        kind.FromString(each)
        for each in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]


def class_of(slice_key):
    """Name of a slice's class, None of the overall slice."""
    found = [
        (key.column, key.bytes_value.decode()) for key in slice_key.single_slice_keys
    ]
    assert len(found) < 2
    return dict(found)["class"] if found else None


def test_overall_slice_holds_the_numbers_and_a_class_slice_those_of_the_class(tmp_path):
    asked = config_pb2.EvalConfig(
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[config_pb2.MetricConfig(class_name="MaskAP")]
            )
        ]
    )
    tfma_report.write_metrics(tmp_path / "new", METRICS, asked, "/models/1")
    (path,) = (tmp_path / "new").glob("metrics*")
    slices = {
        class_of(each.slice_key): {
            one.key.name: one.value.double_value.value
            for one in each.metric_keys_and_values
        }
        for each in messages(path, metrics_for_slice_pb2.MetricsForSlice)
    }
    assert set(slices) == {None, "box, long"}
    assert slices["box, long"] == {
        "mask_ap": 0.0,
        "mask_ap50": 1.0,
        "num_objects": 20.0,
    }
    assert math.isnan(slices[None].pop("mask_ap_small"))
    names = [name for name in vars(METRICS) if name not in ("classes", "mask_ap_small")]
    assert slices[None] == {name: getattr(METRICS, name) for name in names}
    (path,) = (tmp_path / "new").glob("*.json")
    run = json_format.Parse(path.read_text(), config_pb2.EvalRun())
    assert run.eval_config == asked
    assert dict(run.model_locations) == {"": "/models/1"}


def validated(folder, *checks, without_baseline=False):
    blessed = all(check.passed for check in checks)
    verdict = blessing_rules.Verdict(blessed, checks)
    tfma_report.write_validation(folder, verdict, without_baseline)
    (path,) = folder.iterdir()
    (found,) = messages(path, validation_result_pb2.ValidationResult)
    return found


@pytest.mark.parametrize("without_baseline", [True, False])
def test_a_blessing_has_no_failures_and_tells_whether_it_was_compared(
    tmp_path, without_baseline
):
    found = validated(tmp_path, OK, without_baseline=without_baseline)
    assert found.validation_ok
    assert found.rubber_stamp is without_baseline
    assert not found.metric_validations_per_slice


def test_each_failed_threshold_is_written_with_value_bound_and_slice(tmp_path):
    changed = blessing_rules.Check(
        False, "worse", is_change=True, value=-0.25, threshold=-0.01
    )
    of_class = blessing_rules.Check(
        False, "low", "box, long", value=0.0, threshold=0.0625
    )
    unmeasured = blessing_rules.Check(False, "no objects", "rare", threshold=0.5)
    found = validated(tmp_path, OK, changed, of_class, unmeasured)
    assert not found.validation_ok
    slices = found.metric_validations_per_slice
    assert [class_of(each.slice_key) for each in slices] == [None, "box, long", "rare"]
    worse, low, rare = (each.failures[0] for each in slices)
    assert [each.message for each in (worse, low, rare)] == [
        "worse",
        "low",
        "no objects",
    ]
    assert worse.metric_key.is_diff and not low.metric_key.is_diff
    assert worse.metric_value.double_value.value == -0.25
    change = worse.metric_threshold.change_threshold
    assert change.absolute.value == -0.01
    assert change.direction == config_pb2.MetricDirection.HIGHER_IS_BETTER
    assert not worse.metric_threshold.HasField("value_threshold")
    assert low.metric_value.HasField("double_value")  # 0 is a value
    assert low.metric_threshold.value_threshold.lower_bound.value == 0.0625
    assert not rare.HasField("metric_value")
    details = found.validation_details.slicing_details
    assert [dict(each.slicing_spec.feature_values) for each in details] == [
        {},
        {},
        {"class": "box, long"},
        {"class": "rare"},
    ]
