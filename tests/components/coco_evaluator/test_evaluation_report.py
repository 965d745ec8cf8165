import csv
import json

import pytest
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.evaluators import metrics_validator
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import config_pb2

from components.coco_evaluator import (
    assessment,
    blessing_rules,
    evaluation_report,
    thresholds,
)
from foundation import artifact_paths
from model.evaluation import coco_metrics

NAN = float("nan")


def metrics(mask_ap, disk, box):
    return coco_metrics.MaskMetrics(
        num_images=10,
        num_objects=30,
        num_detections=40,
        mask_ap=mask_ap,
        mask_ap50=0.7,
        mask_ap75=0.6,
        mask_ap_small=NAN,
        mask_ap_medium=0.4,
        mask_ap_large=0.5,
        mask_ar=0.6,
        box_ap=0.5,
        box_ap50=0.6,
        classes=(
            coco_metrics.ClassMetrics(3, "disk", 20, disk, disk),
            coco_metrics.ClassMetrics(7, "box, long", 10, box, box),
            coco_metrics.ClassMetrics(9, "rare", 0, NAN, NAN),
        ),
    )


def eval_config(min_mask_ap, class_floors):
    lower = {"value": min_mask_ap}
    metric = config_pb2.MetricConfig(class_name="MaskAP")
    metric.threshold.value_threshold.lower_bound.value = lower["value"]
    for name, floor in class_floors.items():
        entry = metric.per_slice_thresholds.add()
        entry.slicing_specs.add().feature_values["class"] = name
        entry.threshold.value_threshold.lower_bound.value = floor
    return config_pb2.EvalConfig(
        metrics_specs=[config_pb2.MetricsSpec(metrics=[metric])]
    )


def assessed(mask_ap=0.5, floors=None, baseline=None, min_mask_ap=0.4):
    found = metrics(mask_ap, 0.8, 0.2)
    wanted = thresholds.Thresholds(min_mask_ap, -0.01, floors or {})
    verdict = blessing_rules.decide(found, baseline, wanted)
    return assessment.Assessment(verdict, found, baseline)


def test_metrics_json_is_strict_json_with_null_for_undefined(tmp_path):
    evaluation_report.write(tmp_path, assessed(), eval_config(0.4, {}), "model")
    text = (tmp_path / "metrics.json").read_text()
    content = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert content["candidate"]["mask_ap"] == 0.5
    assert content["candidate"]["mask_ap_small"] is None
    assert content["candidate"]["classes"][2]["mask_ap"] is None
    assert content["baseline"] is None
    assert content["blessed"] is True


def test_classes_are_listed_from_worst_to_best(tmp_path):
    found = assessed(baseline=metrics(0.5, 0.7, 0.3))
    evaluation_report.write(tmp_path, found, eval_config(0.4, {}), "model")
    with (tmp_path / "classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["box, long", "disk", "rare"]
    assert rows[1]["mask_ap"] == "0.8000"
    assert rows[1]["baseline_mask_ap"] == "0.7000"
    assert rows[2]["mask_ap"] == ""


def test_tfma_reads_the_evaluation_with_its_slices(tmp_path):
    config = eval_config(0.4, {"disk": 0.1})
    evaluation_report.write(tmp_path, assessed(), config, "/models/new")
    result = tfma.load_eval_result(str(tmp_path))
    assert result.get_metrics_for_slice(())["mask_ap"] == {"doubleValue": 0.5}
    disk = result.get_metrics_for_slice((("class", "disk"),))
    assert disk["mask_ap"] == {"doubleValue": 0.8}
    assert disk["num_objects"] == {"doubleValue": 20.0}
    assert result.config == config
    assert result.model_location == "/models/new"


def test_tfma_reads_the_baseline_beside_it(tmp_path):
    found = assessed(baseline=metrics(0.45, 0.7, 0.3))
    evaluation_report.write(tmp_path, found, eval_config(0.4, {}), "model")
    result = tfma.load_eval_result(str(tmp_path / "baseline"))
    assert result.get_metrics_for_slice(())["mask_ap"] == {"doubleValue": 0.45}


@pytest.mark.parametrize("mask_ap", [0.3, 0.5])
def test_tfma_reads_the_verdict(tmp_path, mask_ap):
    evaluation_report.write(tmp_path, assessed(mask_ap), eval_config(0.4, {}), "model")
    result = tfma.load_validation_result(str(tmp_path))
    assert result.validation_ok is (mask_ap > 0.4)
    assert result.rubber_stamp
    if mask_ap < 0.4:
        (failed,) = result.metric_validations_per_slice
        assert failed.failures[0].metric_key.name == "mask_ap"
        assert failed.failures[0].metric_value.double_value.value == mask_ap
        assert "below the floor" in failed.failures[0].message


def test_a_failed_change_and_a_failed_class_are_told_apart(tmp_path):
    found = assessed(0.5, {"box, long": 0.9}, baseline=metrics(0.6, 0.5, 0.5))
    evaluation_report.write(tmp_path, found, eval_config(0.4, {}), "model")
    result = tfma.load_validation_result(str(tmp_path))
    assert not result.validation_ok and not result.rubber_stamp
    change, of_class = result.metric_validations_per_slice
    assert change.failures[0].metric_key.is_diff
    assert of_class.slice_key.single_slice_keys[0].bytes_value == b"box, long"


def test_a_report_in_a_bucket_is_that_of_a_folder(tmp_path, gcs):
    found = assessed(baseline=metrics(0.45, 0.7, 0.3))
    places = (tmp_path, artifact_paths.of("gs://bucket/evaluation"))
    for place in places:
        evaluation_report.write(place, found, eval_config(0.4, {}), "model")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    names = {path.relative_to(tmp_path).as_posix() for path in files}
    assert "classes.csv" in names
    assert "baseline/eval_config.json" in names
    for name in names:
        there = gcs.read(f"gs://bucket/evaluation/{name}")
        assert there == (tmp_path / name).read_bytes(), name
    result = tfma.load_validation_result("gs://bucket/evaluation")
    assert result.validation_ok


def test_nothing_measured_still_leaves_a_report(tmp_path):
    found = assessment.Assessment(blessing_rules.refuse("the eval split is missing"))
    evaluation_report.write(tmp_path, found, eval_config(0.4, {}), "model")
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["candidate"] is None
    assert content["reasons"] == ["the eval split is missing"]
    assert not tfma.load_validation_result(str(tmp_path)).validation_ok


@pytest.mark.parametrize("mask_ap", [0.39, 0.4, 0.41])
@pytest.mark.parametrize("change", [-0.02, -0.01, 0.0])
def test_the_verdict_is_the_one_tfma_itself_would_give(mask_ap, change):
    spec = config_pb2.MetricsSpec()
    threshold = spec.thresholds["mask_ap"]
    threshold.value_threshold.lower_bound.value = 0.4
    threshold.change_threshold.absolute.value = -0.01
    threshold.change_threshold.direction = config_pb2.HIGHER_IS_BETTER
    config = config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(),
            config_pb2.ModelSpec(name="baseline", is_baseline=True),
        ],
        metrics_specs=[spec],
    )
    key = metric_types.MetricKey("mask_ap", example_weighted=None)
    before = mask_ap - change
    actual_change = mask_ap - before
    values = {key: mask_ap, key.make_diff_key(): actual_change}
    expected = metrics_validator.validate_metrics(((), values), config).validation_ok
    wanted = thresholds.Thresholds(0.4, -0.01, {})
    verdict = blessing_rules.decide(
        metrics(mask_ap, 0.5, 0.5), metrics(before, 0.5, 0.5), wanted
    )
    assert verdict.blessed is expected
