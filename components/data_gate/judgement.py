"""Judges data before it is trained on; a pure function of what was measured."""

from collections.abc import Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.data_gate import (
    checks,
    content_checks,
    decision,
    drift,
    gate_settings,
    measurements,
)

Statistics = statistics_pb2.DatasetFeatureStatisticsList


def judge(
    report: measurements.IngestionReport,
    anomalies: Mapping[str, anomalies_pb2.Anomalies],
    statistics: Mapping[str, Statistics],
    previous_statistics: Mapping[str, Statistics],
    settings: gate_settings.GateConfig,
    num_queries: int,
) -> decision.Verdict:
    """Makes every check.

    Args:
        anomalies, statistics: by split.
        previous_statistics: of the data before, by split; empty when there is none,
            and drift is then not judged.
        num_queries: how many instances the model can answer with at most.
    """
    return decision.decide(
        [
            *checks.problem_checks(report, settings),
            *checks.anomaly_checks(anomalies, settings.anomalies),
            *checks.completeness_checks(
                report,
                measurements.num_examples(statistics),
                settings.images_without_statistics,
            ),
            *content_checks.content_checks(report, settings, num_queries),
            *drift.drift_checks(statistics, previous_statistics, settings),
        ]
    )
