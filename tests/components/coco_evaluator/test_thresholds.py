import pytest
from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2

from components.coco_evaluator import evaluator_settings, thresholds
from foundation import errors
from pipeline import graph


def text_of(metric):
    spec = config_pb2.MetricsSpec(metrics=[metric])
    return json_format.MessageToJson(config_pb2.EvalConfig(metrics_specs=[spec]))


def test_reads_what_the_graph_writes():
    asked = evaluator_settings.EvaluateConfig(
        min_mask_ap=0.5, min_mask_ap_change=-0.02, min_class_ap={"a": 0.25, "b": 0.0}
    )
    text = json_format.MessageToJson(graph.eval_config(asked))
    _, found = thresholds.parse(text)
    assert found == thresholds.Thresholds(0.5, -0.02, {"a": 0.25, "b": 0.0})


def test_nothing_asked_is_none():
    _, found = thresholds.parse(text_of(config_pb2.MetricConfig(class_name="MaskAP")))
    assert found == thresholds.Thresholds(None, None, {})


def test_text_that_is_no_eval_config_is_refused():
    with pytest.raises(errors.ConfigError, match="min_ap"):
        thresholds.parse('{"min_ap": 0.5}')


def value(**bounds):
    return config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(**bounds)
    )


def change(**fields):
    return config_pb2.MetricThreshold(
        change_threshold=config_pb2.GenericChangeThreshold(**fields)
    )


def sliced(threshold, **slicing):
    return [
        config_pb2.PerSliceMetricThreshold(
            slicing_specs=[config_pb2.SlicingSpec(**slicing)], threshold=threshold
        )
    ]


CLASS = {"feature_values": {"class": "a"}}


@pytest.mark.parametrize(
    ("metric", "named"),
    [
        ({"class_name": "AUC"}, "'AUC'"),
        ({"threshold": value(upper_bound={"value": 1.0})}, "upper bound"),
        ({"threshold": change(relative={"value": 0.1})}, "relative"),
        ({"threshold": change(absolute={"value": 0.1})}, "HIGHER_IS_BETTER"),
        (
            {"per_slice_thresholds": sliced(change(absolute={"value": 0.1}), **CLASS)},
            "change threshold of a slice",
        ),
        (
            {"per_slice_thresholds": sliced(value(), feature_keys=["class"])},
            "a slice that is not",
        ),
        (
            {"per_slice_thresholds": sliced(value(), feature_values={"x": "a"})},
            "a slice that is not",
        ),
    ],
)
def test_a_threshold_that_would_be_passed_over_is_refused(metric, named):
    metric = config_pb2.MetricConfig(**({"class_name": "MaskAP"} | metric))
    with pytest.raises(errors.ConfigError, match=named):
        thresholds.parse(text_of(metric))


def floor(number):
    return value(lower_bound={"value": number})


@pytest.mark.parametrize("specs", [[2], [1, 1]])
def test_a_second_metric_would_replace_the_first_and_is_refused(specs):
    metric = config_pb2.MetricConfig(class_name="MaskAP", threshold=floor(0.5))
    found = [config_pb2.MetricsSpec(metrics=[metric] * number) for number in specs]
    text = json_format.MessageToJson(config_pb2.EvalConfig(metrics_specs=found))
    with pytest.raises(errors.ConfigError, match="'MaskAP' 2 times, .* wanted once"):
        thresholds.parse(text)


def test_a_class_with_two_floors_is_refused():
    slices = sliced(floor(0.5), **CLASS) + sliced(floor(0.25), **CLASS)
    metric = config_pb2.MetricConfig(class_name="MaskAP", per_slice_thresholds=slices)
    with pytest.raises(errors.ConfigError, match=r"'a' twice, .* 0\.5 and 0\.25"):
        thresholds.parse(text_of(metric))


def test_a_slice_that_asks_for_nothing_is_refused():
    slices = sliced(config_pb2.MetricThreshold(), **CLASS)
    metric = config_pb2.MetricConfig(class_name="MaskAP", per_slice_thresholds=slices)
    with pytest.raises(errors.ConfigError, match="a slice without a lower bound"):
        thresholds.parse(text_of(metric))


def test_thresholds_outside_of_a_metric_are_refused():
    spec = config_pb2.MetricsSpec(
        thresholds={"mask_ap": value(lower_bound={"value": 0.5})}
    )
    text = json_format.MessageToJson(config_pb2.EvalConfig(metrics_specs=[spec]))
    with pytest.raises(errors.ConfigError, match="outside of `metrics`"):
        thresholds.parse(text)
