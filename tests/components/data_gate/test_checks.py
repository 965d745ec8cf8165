import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.data_gate import checks, gate_settings, measurements

DEFAULTS = gate_settings.GateConfig()
ERROR = gate_settings.Check(severity="error", limit=0)


def report(images=None, examples=None, **counts):
    known = {"missing_image": 0, "broken_image": 0, "empty_mask": 0, "exif_turned": 0}
    splits = {split: {"images": number} for split, number in (images or {}).items()}
    return measurements.IngestionReport(splits, {**known, **counts}, examples or {})


def outcomes(made):
    """Names of the checks above their limit, and what follows."""
    return {check.name: check.outcome for check in made if check.outcome != "passed"}


def settings(**problems):
    return gate_settings.GateConfig.model_validate({"problems": problems})


def test_lost_images_fail_lost_instances_warn_and_repairs_are_recorded():
    for kind, outcome in (
        ("missing_image", "failed"),
        ("broken_image", "failed"),
        ("empty_mask", "warned"),
        ("exif_turned", "recorded"),
    ):
        made = checks.problem_checks(report(**{kind: 1}), DEFAULTS)
        assert outcomes(made) == {kind: outcome}


@pytest.mark.parametrize(
    ("count", "found"), [(3, {}), (4, {"missing_image": "failed"})]
)
def test_a_limit_is_the_largest_count_that_passes(count, found):
    allowing = settings(missing_image={"limit": 3})
    made = checks.problem_checks(report(missing_image=count), allowing)
    assert outcomes(made) == found


def test_a_severity_decides_what_follows():
    for severity, outcome in (
        ("error", "failed"),
        ("warning", "warned"),
        ("off", "recorded"),
    ):
        strict = settings(empty_mask={"severity": severity})
        made = checks.problem_checks(report(empty_mask=1), strict)
        assert outcomes(made) == {"empty_mask": outcome}


def test_the_remedy_names_the_key_and_a_limit_that_lets_it_pass():
    def share(value, limit):
        return checks.make(
            "share of empty images in eval",
            "empty_images",
            gate_settings.Check(severity="error", limit=limit),
            value,
            [],
            "annotate them",
            is_count=False,
        )

    failed = share(2 / 3, 0.5)
    assert failed.remedy == (
        "annotate them, or let it pass with --set data.gate.empty_images.limit=0.667"
    )
    assert failed.outcome == "failed"
    assert share(2 / 3, 0.667).outcome == "passed"
    assert share(4.0, 1).remedy.endswith("limit=4")


def test_an_undefined_value_never_passes():
    made = checks.make("name", "class_drift", ERROR, float("nan"), [], "look")
    assert made.outcome == "failed"


def test_an_anomaly_of_any_feature_in_any_split_fails():
    clean, bad = anomalies_pb2.Anomalies(), anomalies_pb2.Anomalies()
    bad.anomaly_info["image/height"].short_description = "Out-of-range values"
    made = checks.anomaly_checks({"train": clean, "eval": bad}, ERROR)
    assert outcomes(made) == {"anomalies in eval": "failed"}
    assert made[1].examples == ("image/height: Out-of-range values.",)


def test_anomalies_of_the_data_set_and_missing_data_fail():
    whole, empty = anomalies_pb2.Anomalies(), anomalies_pb2.Anomalies()
    whole.dataset_anomaly_info.description = "too few examples"
    empty.data_missing = True
    made = checks.anomaly_checks({"train": whole, "eval": empty}, ERROR)
    assert set(outcomes(made)) == {"anomalies in train", "anomalies in eval"}
    assert made[0].examples == ("data set: too few examples",)


def test_images_without_statistics_fail():
    whole = report(images={"train": 8, "eval": 5})
    counted = {"train": 8, "eval": 5}
    assert not outcomes(checks.completeness_checks(whole, counted, ERROR))
    made = checks.completeness_checks(whole, {"train": 6}, ERROR)
    assert [check.value for check in made] == [2, 5]
    assert "8 images were stored, statistics cover 6" in made[0].examples
