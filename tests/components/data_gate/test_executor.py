"""The gate's `Do` over real artifacts."""

import json
import pathlib

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.types import artifact_utils, standard_artifacts

from components import artifact_types
from components.data_gate import executor
from pipeline import errors

SPLITS = ["train", "eval"]


class Gate:
    """Artifacts of a dataset of 4 and 2 images, to be spoilt by a test."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.anomalies = {split: anomalies_pb2.Anomalies() for split in SPLITS}
        self.images = {"train": 4, "eval": 2}
        self.problems = []

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

    def run(self, limits=None) -> dict:
        statistics = {
            split: statistics_pb2.DatasetFeatureStatisticsList(
                datasets=[{"num_examples": count}]
            )
            for split, count in {"train": 4, "eval": 2}.items()
        }
        report = self._artifact(artifact_types.IngestionReport, "report")
        kinds = ("missing_image", "broken_image", "empty_mask")
        found = [problem["kind"] for problem in self.problems]
        summary = {
            "splits": {s: {"images": n} for s, n in self.images.items()},
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
        properties = {"limits": json.dumps(limits or {})}
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


def test_clean_data_passes(gate):
    verdict = gate.run()
    assert verdict["passed"] is True
    assert len(verdict["checks"]) == 3 + 2 + 2  # kinds, anomalies, completeness


def test_a_missing_image_stops_the_run_with_the_key_that_allows_it(gate):
    gate.add_problem("missing_image", 8)
    gate.add_problem("missing_image", 9)
    with pytest.raises(errors.DataGateError) as stopped:
        gate.run()
    message = str(stopped.value)
    assert "8.jpg, image 8: no such file in train/" in message
    assert "--set data.max_problems.missing_image=2" in message
    assert gate.recorded()["passed"] is False


def test_a_raised_limit_lets_it_pass(gate):
    gate.add_problem("missing_image", 8)
    assert gate.run({"missing_image": 1})["passed"] is True


def test_an_anomaly_stops_the_run_and_names_feature_and_split(gate):
    info = gate.anomalies["eval"].anomaly_info["image/object/is_crowd"]
    info.short_description = "Out-of-range values"
    info.description = "Unexpectedly high values: 2 > 1"
    with pytest.raises(errors.DataGateError, match="anomalies in eval") as stopped:
        gate.run({"missing_image": 100})
    told = " ".join(str(stopped.value).split())
    assert "image/object/is_crowd: Out-of-range values." in told
    assert "2 > 1" in told


def test_records_lost_before_statistics_stop_the_run(gate):
    gate.images["train"] = 5
    with pytest.raises(errors.DataGateError, match="5 images were stored, statis"):
        gate.run()
