"""The gate's `Do` over real artifacts."""

import json
import pathlib

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.types import artifact_utils, standard_artifacts

from components import artifact_types
from components.data_gate import executor
from foundation import errors
from model.examples import features

SPLITS = ["train", "eval"]


def _statistics(num_examples, **classes):
    names = [{"label": name, "sample_count": count} for name, count in classes.items()]
    common = {"num_non_missing": num_examples, "tot_num_values": sum(classes.values())}
    feature = {
        "path": {"step": [features.CATEGORY_NAME]},
        "type": "STRING",
        "string_stats": {"common_stats": common, "rank_histogram": {"buckets": names}},
    }
    dataset = {"num_examples": num_examples, "features": [feature]}
    return statistics_pb2.DatasetFeatureStatisticsList(datasets=[dataset])


def _counts(images):
    """All images show one cat; train's last one shows 21."""
    fullest = {"instances": 21, "image_id": 1, "file": "full.png"}
    return {
        "images": images,
        "images_without_objects": 0,
        "instances_per_image": {"1": images - 1, "21": 1},
        "most_instances": [fullest],
        "classes": [{"category_id": 1, "name": "cat", "objects": images + 20}],
    }


class Gate:
    """Artifacts of a dataset of 4 and 2 images, to be spoilt by a test."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.anomalies = {split: anomalies_pb2.Anomalies() for split in SPLITS}
        self.images = {"train": 4, "eval": 2}
        self.problems = []
        self.previous = False

    def _artifact(self, kind, name):
        artifact = kind()
        artifact.uri = str(self.folder / name)
        pathlib.Path(artifact.uri).mkdir(parents=True)
        return artifact

    def _per_split(self, kind, name, file, protos):
        artifact = self._artifact(kind, name)
        artifact.split_names = artifact_utils.encode_split_names(SPLITS)
        for split, proto in protos.items():
            folder = self.folder / name / f"Split-{split}"
            folder.mkdir()
            (folder / file).write_bytes(proto.SerializeToString())
        return artifact

    def run(self, num_queries=20, **settings) -> dict:
        statistics = {
            "train": _statistics(4, cat=3, dog=1),
            "eval": _statistics(2, cat=1),
        }
        report = self._artifact(artifact_types.IngestionReport, "report")
        kinds = ("missing_image", "broken_image", "empty_mask")
        found = [problem["kind"] for problem in self.problems]
        summary = {
            "splits": {s: _counts(n) for s, n in self.images.items()},
            "problems": {kind: {"count": found.count(kind)} for kind in kinds},
        }
        folder = pathlib.Path(report.uri)
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "problems.json").write_text(json.dumps({"examples": self.problems}))
        verdict = self._artifact(artifact_types.DataVerdict, "verdict")
        inputs = {
            "report": [report],
            "anomalies": [
                self._per_split(
                    standard_artifacts.ExampleAnomalies,
                    "anomalies",
                    "SchemaDiff.pb",
                    self.anomalies,
                )
            ],
            "statistics": [
                self._per_split(
                    standard_artifacts.ExampleStatistics,
                    "statistics",
                    "FeatureStats.pb",
                    statistics,
                )
            ],
        }
        if self.previous:
            before = {
                "train": _statistics(9, cat=1, dog=3),
                "eval": _statistics(2, cat=4),
            }
            inputs["previous_statistics"] = [
                self._per_split(
                    standard_artifacts.ExampleStatistics,
                    "previous",
                    "FeatureStats.pb",
                    before,
                )
            ]
        properties = {"settings": json.dumps(settings), "num_queries": num_queries}
        executor.Executor().Do(inputs, {"verdict": [verdict]}, properties)
        assert verdict.get_int_custom_property("passed") == 1
        return self.recorded()

    def recorded(self) -> dict:
        return json.loads((self.folder / "verdict" / "verdict.json").read_text())

    def add_problem(self, kind, image_id):
        self.problems.append(
            {
                "kind": kind,
                "file": f"{image_id}.jpg",
                "image_id": image_id,
                "annotation_id": None,
                "message": "no such file in train/",
            }
        )


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


def names(verdict, outcome):
    return [c["name"] for c in verdict["checks"] if c["outcome"] == outcome]


def test_clean_data_passes(gate):
    verdict = gate.run(num_queries=21)
    assert verdict["passed"] is True
    assert verdict["warnings"] == []
    # Kinds, anomalies, completeness; crowding, imbalance, rare classes, empty images.
    assert len(verdict["checks"]) == 3 + 2 + 2 + 3 + 2


def test_a_missing_image_stops_the_run_with_the_key_that_allows_it(gate):
    gate.add_problem("missing_image", 8)
    gate.add_problem("missing_image", 9)
    with pytest.raises(errors.DataGateError) as stopped:
        gate.run()
    message = str(stopped.value)
    assert "8.jpg, image 8: no such file in train/" in message
    assert "--set data.gate.problems.missing_image.limit=2" in message
    assert gate.recorded()["passed"] is False


def test_a_raised_limit_or_a_lower_severity_lets_it_pass(gate):
    gate.add_problem("missing_image", 8)
    allowing = gate.run(num_queries=21, problems={"missing_image": {"limit": 1}})
    assert (allowing["passed"], allowing["warnings"]) == (True, [])


def test_a_warning_is_recorded_and_lets_the_data_pass(gate):
    gate.add_problem("missing_image", 8)
    verdict = gate.run(problems={"missing_image": {"severity": "warning"}})
    assert verdict["passed"] is True
    assert names(verdict, "warned") == ["missing_image", "images over queries"]
    assert "8.jpg, image 8: no such file" in verdict["warnings"][0]
    assert "full.png of eval shows 21 instances" in verdict["warnings"][1]


def test_every_failed_check_is_named_at_once(gate):
    gate.add_problem("missing_image", 8)
    gate.images["eval"] = 3
    gate.anomalies["train"].anomaly_info["image/id"].short_description = "odd"
    with pytest.raises(errors.DataGateError) as stopped:
        gate.run(images_over_queries={"severity": "error"})
    message = str(stopped.value)
    for told in (
        "4 of 12 checks failed",
        "data.gate.problems.missing_image.limit=1",
        "data.gate.anomalies.limit=1",
        "data.gate.images_without_statistics.limit=1",
        "data.gate.images_over_queries.limit=2",
    ):
        assert told in message, message


def test_drift_is_judged_when_there_is_data_before(gate):
    gate.previous = True
    with pytest.raises(errors.DataGateError, match=r"class_drift\.limit=0\.500"):
        gate.run(class_drift={"severity": "error"})
    recorded = gate.recorded()
    values = {c["name"]: c["value"] for c in recorded["checks"]}
    # Cats 1 of 4 before, 3 of 4 now; the eval split has shown cats only.
    assert values["drift of class frequencies in train"] == pytest.approx(0.5)
    assert values["drift of class frequencies in eval"] == 0


def test_an_anomaly_stops_the_run_and_names_feature_and_split(gate):
    info = gate.anomalies["eval"].anomaly_info["image/object/is_crowd"]
    info.short_description = "Out-of-range values"
    info.description = "Unexpectedly high values: 2 > 1"
    with pytest.raises(errors.DataGateError, match="anomalies in eval") as stopped:
        gate.run(problems={"missing_image": {"limit": 100}})
    told = " ".join(str(stopped.value).split())
    assert "image/object/is_crowd: Out-of-range values." in told
    assert "2 > 1" in told


def test_records_lost_before_statistics_stop_the_run(gate):
    gate.images["train"] = 5
    with pytest.raises(errors.DataGateError, match="5 images were stored, statis"):
        gate.run()
