"""What every check says, and those of problems, anomalies and completeness."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.data_gate import gate_settings, measurements

_KEY = "data.gate"
_MAX_EXAMPLES = 3


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of the verdict.

    Attributes:
        key: of the configuration, where severity and limit are set.
        severity: `error`, `warning` or `off`.
        value: how often the fault was found, or how large it is.
        limit: the largest value that passes.
        examples: what was found, a sentence each.
        advice: what to do about the data.
        is_count: the value counts things of which `examples` are the first.
    """

    name: str
    key: str
    severity: str
    value: float
    limit: float
    examples: tuple[str, ...]
    advice: str
    is_count: bool = True

    @property
    def num_hidden(self) -> int:
        """How many were found beside the examples."""
        return int(self.value) - len(self.examples) if self.is_count else 0

    @property
    def outcome(self) -> str:
        """`passed`, or above the limit `failed`, `warned` or `recorded`."""
        if self.value <= self.limit:
            return "passed"
        return {"error": "failed", "warning": "warned"}.get(self.severity, "recorded")

    @property
    def remedy(self) -> str:
        """What to do, and the key that would let it pass."""
        allowed = number(math.ceil(self.value * 1000) / 1000)
        return f"{self.advice}, or let it pass with --set {self.key}.limit={allowed}"


def make(
    name: str,
    key: str,
    settings: gate_settings.Check,
    value: float,
    examples: Sequence[str],
    advice: str,
    is_count: bool = True,
) -> Check:
    """A check with the severity and limit of `data.gate.<key>`."""
    return Check(
        name,
        f"{_KEY}.{key}",
        settings.severity,
        value,
        settings.limit,
        tuple(examples[:_MAX_EXAMPLES]),
        advice,
        is_count,
    )


def number(value: float) -> str:
    """Whole numbers in full, others to three decimals."""
    return f"{value:.0f}" if value == int(value) else f"{value:.3f}"


def problem_checks(
    report: measurements.IngestionReport, settings: gate_settings.GateConfig
) -> list[Check]:
    """Compares every kind of ingestion problem with its limit."""
    return [
        make(
            kind,
            f"problems.{kind}",
            settings.problems[kind],
            count,
            report.examples.get(kind, ()),
            "correct the data",
        )
        for kind, count in report.counts.items()
    ]


def anomaly_checks(
    anomalies: Mapping[str, anomalies_pb2.Anomalies], settings: gate_settings.Check
) -> list[Check]:
    """One check per split."""
    checks = []
    for split, found in anomalies.items():
        sentences = [
            f"{feature}: {info.short_description}. {info.description}".strip()
            for feature, info in sorted(found.anomaly_info.items())
        ]
        if found.HasField("dataset_anomaly_info"):
            sentences.append(f"data set: {found.dataset_anomaly_info.description}")
        if found.data_missing:
            sentences.append("data set: there are no examples")
        checks.append(
            make(
                f"anomalies in {split}",
                "anomalies",
                settings,
                len(sentences),
                sentences,
                "correct the annotations that break schemas/coco_examples.pbtxt",
            )
        )
    return checks


def completeness_checks(
    report: measurements.IngestionReport,
    num_examples: Mapping[str, int],
    settings: gate_settings.Check,
) -> list[Check]:
    """Were the statistics computed of every image that was stored?"""
    checks = []
    for split, content in report.splits.items():
        counted = num_examples.get(split, 0)
        missing = abs(content["images"] - counted)
        sentence = f"{content['images']} images were stored, statistics cover {counted}"
        checks.append(
            make(
                f"images without statistics in {split}",
                "images_without_statistics",
                settings,
                missing,
                (sentence,) if missing else (),
                "run again; records were lost between ingestion and statistics",
            )
        )
    return checks
