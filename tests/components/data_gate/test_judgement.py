import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.data_gate import gate_settings, judgement, measurements
from model.examples import features

DEFAULTS = gate_settings.GateConfig()


def statistics(num_examples, **classes):
    """Of class names and of mask areas, all of which are 9 px²."""
    names = [{"label": name, "sample_count": count} for name, count in classes.items()]
    common = {"num_non_missing": num_examples, "tot_num_values": sum(classes.values())}
    area = {"low_value": 9, "high_value": 9, "sample_count": num_examples}
    found = [
        {
            "path": {"step": [features.CATEGORY_NAME]},
            "type": "STRING",
            "string_stats": {
                "common_stats": common,
                "rank_histogram": {"buckets": names},
            },
        },
        {
            "path": {"step": [features.AREA]},
            "type": "FLOAT",
            "num_stats": {"common_stats": common, "histograms": [{"buckets": [area]}]},
        },
    ]
    dataset = {"num_examples": num_examples, "features": found}
    return statistics_pb2.DatasetFeatureStatisticsList(datasets=[dataset])


def judged(
    settings=DEFAULTS,
    previous=None,
    num_queries=20,
    anomaly="",
    missing_images=0,
    images=4,
):
    """The verdict on a train split of four pictures with five objects."""
    counts = {
        "images": images,
        "images_without_objects": 0,
        "instances_per_image": {"1": 3, "2": 1},
        "most_instances": [{"instances": 2, "image_id": 1, "file": "full.png"}],
        "classes": [
            {"category_id": 1, "name": "cat", "objects": 4},
            {"category_id": 2, "name": "dog", "objects": 1},
        ],
    }
    report = measurements.IngestionReport(
        {"train": counts}, {"missing_image": missing_images}, {}
    )
    anomalies = anomalies_pb2.Anomalies()
    if anomaly:
        anomalies.anomaly_info[anomaly].short_description = "odd"
    return judgement.judge(
        report,
        {"train": anomalies},
        {"train": statistics(4, cat=4, dog=1)},
        previous or {},
        settings,
        num_queries,
    )


def values(verdict):
    return {
        check.key.removeprefix("data.gate."): check.value for check in verdict.checks
    }


def outcome(verdict, key):
    (check,) = (each for each in verdict.checks if each.key == f"data.gate.{key}")
    return check.outcome


BEFORE = {"train": statistics(4, cat=1, dog=4)}


def test_every_key_of_the_configuration_is_a_check_that_is_made():
    made = {key.partition(".")[0] for key in values(judged(previous=BEFORE))}
    assert made == set(gate_settings.GateConfig.model_fields)


def test_what_each_check_measures_is_what_it_was_given():
    found = values(judged(num_queries=1, missing_images=3, images=6, previous=BEFORE))
    assert found == {
        "problems.missing_image": 3,
        "anomalies": 0,
        "images_without_statistics": 2,  # of 6, statistics cover 4
        "images_over_queries": 1,
        "class_imbalance": 4,  # 4 cats, 1 dog
        "rare_classes": 2,  # of fewer than 10
        "empty_images": 0,
        "class_drift": pytest.approx(0.6),  # 1 of 5 before, 4 of 5 now
        "feature_drift": 0,
    }


def test_without_data_before_drift_is_not_judged():
    made = values(judged())
    assert "images_over_queries" in made
    assert not {"class_drift", "feature_drift"} & set(made)


@pytest.mark.parametrize(
    ("key", "faults"),
    [
        ("problems.missing_image", {"missing_images": 1}),
        ("anomalies", {"anomaly": "image/height"}),
        ("images_without_statistics", {"images": 5}),
        ("images_over_queries", {"num_queries": 1}),
        ("class_imbalance", {}),
        ("rare_classes", {}),
        ("class_drift", {"previous": BEFORE}),
    ],
)
def test_a_single_check_above_its_limit_stops_the_run_if_it_is_an_error(key, faults):
    def settings(severity):
        check = {"severity": severity, "limit": 0}
        for name in reversed(key.split(".")):
            check = {name: check}
        return gate_settings.GateConfig.model_validate(check)

    stopped = judged(settings("error"), **faults)
    assert (stopped.passed, outcome(stopped, key)) == (False, "failed")
    passed = judged(settings("warning"), **faults)
    assert (passed.passed, outcome(passed, key)) == (True, "warned")
