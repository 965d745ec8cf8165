"""Reads what the gate judges: anomalies, statistics and the ingestion report."""

import dataclasses
import json
from collections.abc import Mapping, Sequence

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components import wire
from components.coco_example_gen import problems

# Names that stock ExampleValidator and StatisticsGen give their files.
_ANOMALIES_FILE = "SchemaDiff.pb"
_STATISTICS_FILE = "FeatureStats.pb"


@dataclasses.dataclass(frozen=True)
class IngestionReport:
    """What CocoExampleGen reported.

    Attributes:
        splits: what `summary.json` holds of each split.
        counts: problems of every kind there is, 0 where there was none.
        examples: descriptions of the first problems of each kind.
    """

    splits: Mapping[str, Mapping]
    counts: Mapping[str, int]
    examples: Mapping[str, Sequence[str]]


def read_report(folder: str) -> IngestionReport:
    """Reads `summary.json` and `problems.json`."""
    summary = json.loads(_read(f"{folder}/{wire.SUMMARY_FILE}"))
    listed = json.loads(_read(f"{folder}/{wire.PROBLEMS_FILE}"))["examples"]
    examples: dict[str, list[str]] = {}
    for problem in listed:
        examples.setdefault(problem["kind"], []).append(_describe(problem))
    return IngestionReport(
        summary["splits"],
        {kind: entry["count"] for kind, entry in summary["problems"].items()},
        examples,
    )


def read_anomalies(
    folder: str, splits: Sequence[str]
) -> dict[str, anomalies_pb2.Anomalies]:
    """Reads the anomalies of each split."""
    return {
        split: anomalies_pb2.Anomalies.FromString(
            _read(f"{folder}/Split-{split}/{_ANOMALIES_FILE}")
        )
        for split in splits
    }


def read_statistics(
    folder: str, splits: Sequence[str]
) -> dict[str, statistics_pb2.DatasetFeatureStatisticsList]:
    """Reads the statistics of each split."""
    return {
        split: statistics_pb2.DatasetFeatureStatisticsList.FromString(
            _read(f"{folder}/Split-{split}/{_STATISTICS_FILE}")
        )
        for split in splits
    }


def num_examples(
    statistics: Mapping[str, statistics_pb2.DatasetFeatureStatisticsList],
) -> dict[str, int]:
    """How many examples the statistics of each split were computed of."""
    return {
        split: sum(int(dataset.num_examples) for dataset in found.datasets)
        for split, found in statistics.items()
    }


def _describe(problem: Mapping) -> str:
    ids = {key: problem[key] for key in ("image_id", "annotation_id")}
    told = {key: problem[key] for key in ("kind", "file", "message")}
    return problems.Problem(**told, **ids, action="").describe()


def _read(path: str) -> bytes:
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()
