"""What is checked: ingestion problems against limits, anomalies, and completeness."""

import dataclasses
from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.data_gate import sources
from pipeline import errors

# Kinds of problems that stop a run unless the configuration lets some pass; the
# others were repaired or concern single instances and are only reported.
DEFAULT_LIMITS = {"missing_image": 0, "broken_image": 0}
_MAX_EXAMPLES = 3


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of the verdict.

    Attributes:
        count: how often the fault was found.
        limit: how often it may be found; None for no limit.
        examples: what was found, a sentence each.
        remedy: what to do when the check fails.
    """

    name: str
    count: int
    limit: int | None
    examples: tuple[str, ...]
    remedy: str

    @property
    def passed(self) -> bool:
        return self.limit is None or self.count <= self.limit


def problem_checks(
    report: sources.IngestionReport, limits: Mapping[str, int]
) -> list[Check]:
    """Compares every kind of ingestion problem with its limit.

    Args:
        limits: kind -> largest count that passes; takes the place of the default.

    Raises:
        ConfigError: a limit for a kind that does not exist.
    """
    unknown = sorted(set(limits) - set(report.counts))
    if unknown:
        raise errors.ConfigError(
            f"data.max_problems.{unknown[0]}: no such kind of problem. Known are: "
            f"{', '.join(sorted(report.counts))}."
        )
    in_force = {**DEFAULT_LIMITS, **limits}
    return [
        Check(
            kind,
            count,
            in_force.get(kind),
            tuple(report.examples.get(kind, ())[:_MAX_EXAMPLES]),
            f"correct the data, or let it pass with --set "
            f"data.max_problems.{kind}={count}",
        )
        for kind, count in report.counts.items()
    ]


def anomaly_checks(anomalies: Mapping[str, anomalies_pb2.Anomalies]) -> list[Check]:
    """One check per split; a single anomaly fails it."""
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
            Check(
                f"anomalies in {split}",
                len(sentences),
                0,
                tuple(sentences),
                "correct the annotations that break schemas/coco_examples.pbtxt",
            )
        )
    return checks


def completeness_checks(
    report: sources.IngestionReport, num_examples: Mapping[str, int]
) -> list[Check]:
    """Were the statistics computed of every image that was stored?"""
    checks = []
    for split, num_images in report.images.items():
        counted = num_examples.get(split, 0)
        sentence = f"{num_images} images were stored, statistics cover {counted}"
        missing = abs(num_images - counted)
        checks.append(
            Check(
                f"images without statistics in {split}",
                missing,
                0,
                (sentence,) if missing else (),
                "run again; records were lost between ingestion and statistics",
            )
        )
    return checks
