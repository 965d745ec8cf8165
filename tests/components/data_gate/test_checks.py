import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.data_gate import checks, sources
from pipeline import errors


def report(images=None, examples=None, **counts):
    known = {"missing_image": 0, "broken_image": 0, "empty_mask": 0}
    return sources.IngestionReport(images or {}, {**known, **counts}, examples or {})


def failed(made):
    return {check.name for check in made if not check.passed}


def test_lost_images_fail_and_repaired_kinds_pass_by_default():
    assert failed(checks.problem_checks(report(missing_image=1), {})) == {
        "missing_image"
    }
    assert failed(checks.problem_checks(report(broken_image=1), {})) == {"broken_image"}
    assert failed(checks.problem_checks(report(empty_mask=10**6), {})) == set()


@pytest.mark.parametrize(("count", "fails"), [(3, set()), (4, {"missing_image"})])
def test_a_limit_is_the_largest_count_that_passes(count, fails):
    made = checks.problem_checks(report(missing_image=count), {"missing_image": 3})
    assert failed(made) == fails


def test_a_limit_can_be_set_on_a_kind_without_one():
    made = checks.problem_checks(report(empty_mask=1), {"empty_mask": 0})
    assert failed(made) == {"empty_mask"}


def test_a_limit_on_an_unknown_kind_is_a_configuration_error():
    with pytest.raises(
        errors.ConfigError, match="max_problems.mising_image: no such .* missing_image"
    ):
        checks.problem_checks(report(), {"mising_image": 3})


def test_an_anomaly_of_any_feature_in_any_split_fails():
    clean, bad = anomalies_pb2.Anomalies(), anomalies_pb2.Anomalies()
    bad.anomaly_info["image/height"].short_description = "Out-of-range values"
    made = checks.anomaly_checks({"train": clean, "eval": bad})
    assert failed(made) == {"anomalies in eval"}
    assert made[1].examples == ("image/height: Out-of-range values.",)


def test_anomalies_of_the_data_set_and_missing_data_fail():
    whole, empty = anomalies_pb2.Anomalies(), anomalies_pb2.Anomalies()
    whole.dataset_anomaly_info.description = "too few examples"
    empty.data_missing = True
    made = checks.anomaly_checks({"train": whole, "eval": empty})
    assert failed(made) == {"anomalies in train", "anomalies in eval"}
    assert made[0].examples == ("data set: too few examples",)


def test_images_without_statistics_fail():
    whole = report(images={"train": 8, "eval": 5})
    assert not failed(checks.completeness_checks(whole, {"train": 8, "eval": 5}))
    made = checks.completeness_checks(whole, {"train": 6})
    assert [check.count for check in made] == [2, 5]
    assert "8 images were stored, statistics cover 6" in made[0].examples
