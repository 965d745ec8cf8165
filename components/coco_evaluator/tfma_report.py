"""The evaluation as TensorFlow Model Analysis stores one.

`tfma.load_eval_result` and `tfma.load_validation_result` read it. The overall slice
holds all numbers, the slice `class: <name>` those of a class.
"""

from collections.abc import Iterator

import tensorflow as tf
from google.protobuf import json_format, message
from tensorflow_model_analysis import version
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.proto import (
    config_pb2,
    metrics_for_slice_pb2,
    validation_result_pb2,
)
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.writers import (
    eval_config_writer,
    metrics_plots_and_validations_writer,
)

from components.coco_evaluator import blessing_rules, thresholds
from foundation import artifact_paths
from model.evaluation import coco_metrics

_METRICS_FILENAME = "metrics-00000-of-00001.tfrecord"
_VALIDATION_FILENAME = "validations.tfrecord"


def write_metrics(
    folder: artifact_paths.Path,
    metrics: coco_metrics.MaskMetrics,
    eval_config: config_pb2.EvalConfig,
    model_location: str,
) -> None:
    """Writes the numbers of one model and the configuration they were judged by."""
    folder.mkdir(parents=True, exist_ok=True)
    convert = metrics_plots_and_validations_writer.convert_slice_metrics_to_proto
    slices = [convert(each, add_metrics_callbacks=[]) for each in _slices(metrics)]
    _write_records(folder / _METRICS_FILENAME, slices)
    run = config_pb2.EvalRun(
        eval_config=eval_config,
        version=version.VERSION,
        data_location="the eval split of the examples",
        file_format="tfrecords",
        model_locations={"": model_location},
    )
    name = f"{eval_config_writer.EVAL_CONFIG_FILE}.json"
    (folder / name).write_text(json_format.MessageToJson(run), encoding="utf-8")


def write_validation(
    folder: artifact_paths.Path, verdict: blessing_rules.Verdict, without_baseline: bool
) -> None:
    """Writes the verdict with every failed threshold."""
    result = validation_result_pb2.ValidationResult(
        validation_ok=verdict.blessed, rubber_stamp=without_baseline
    )
    for check in verdict.checks:
        slicing = result.validation_details.slicing_details.add()
        slicing.num_matching_slices = 1
        if check.class_name is not None:
            slicing.slicing_spec.feature_values[thresholds.CLASS_SLICE] = (
                check.class_name
            )
        if not check.passed:
            failed = result.metric_validations_per_slice.add()
            failed.slice_key.CopyFrom(
                slicer_lib.serialize_slice_key(_slice_key(check.class_name))
            )
            failed.failures.append(_failure(check))
    _write_records(folder / _VALIDATION_FILENAME, [result])


def _slices(metrics: coco_metrics.MaskMetrics) -> Iterator[tuple[tuple, dict]]:
    yield (), _keyed(metrics.numbers())
    for each in metrics.classes:
        numbers = {
            "mask_ap": each.mask_ap,
            "mask_ap50": each.mask_ap50,
            "num_objects": float(each.num_objects),
        }
        yield _slice_key(each.name), _keyed(numbers)


def _slice_key(class_name: str | None) -> tuple:
    return () if class_name is None else ((thresholds.CLASS_SLICE, class_name),)


def _keyed(numbers: dict[str, float]) -> dict[metric_types.MetricKey, float]:
    return {metric_types.MetricKey(name): value for name, value in numbers.items()}


def _failure(check: blessing_rules.Check) -> validation_result_pb2.ValidationFailure:
    key = metric_types.MetricKey("mask_ap", is_diff=check.is_change)
    failure = validation_result_pb2.ValidationFailure(
        metric_key=key.to_proto(), message=check.reason
    )
    if check.value is not None:
        failure.metric_value.CopyFrom(
            metrics_for_slice_pb2.MetricValue(double_value={"value": check.value})
        )
    if check.threshold is not None and check.is_change:
        change = failure.metric_threshold.change_threshold
        change.direction = config_pb2.MetricDirection.HIGHER_IS_BETTER
        change.absolute.value = check.threshold
    elif check.threshold is not None:
        floor = failure.metric_threshold.value_threshold
        floor.lower_bound.value = check.threshold
    return failure


def _write_records(path: artifact_paths.Path, records: list[message.Message]) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record.SerializeToString())
