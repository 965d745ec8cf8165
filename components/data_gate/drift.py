"""How far the data has moved from the data before, measured by TFDV."""

from collections.abc import Iterator, Mapping

import tfx  # noqa: F401  stands in for a part of tfx-bsl that TFDV looks for
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.data_gate import checks, gate_settings
from model.examples import features

from tensorflow_data_validation.api import validation_api  # isort: skip

Statistics = statistics_pb2.DatasetFeatureStatisticsList
_NUMBERS = {
    features.AREA: "mask areas",
    features.IMAGE_HEIGHT: "image heights",
    features.IMAGE_WIDTH: "image widths",
}
_NAMES = {features.CATEGORY_NAME: "class frequencies", **_NUMBERS}
_ADVICE = "see that the change is meant"


def drift_checks(
    statistics: Mapping[str, Statistics],
    previous: Mapping[str, Statistics],
    settings: gate_settings.GateConfig,
) -> Iterator[checks.Check]:
    """Compares every split with the same split of the data before.

    Splits that either side lacks, or that show no instance, are not compared.
    """
    schema = _schema()
    for split in [name for name in statistics if name in previous]:
        found = validation_api.validate_statistics(
            statistics[split], schema, previous_statistics=previous[split]
        )
        for measured in found.drift_skew_info:
            (feature,) = measured.path.step
            (measurement,) = measured.drift_measurements
            by_class = feature == features.CATEGORY_NAME
            yield checks.make(
                f"drift of {_NAMES[feature]} in {split}",
                "class_drift" if by_class else "feature_drift",
                settings.class_drift if by_class else settings.feature_drift,
                measurement.value,
                [_describe(found, feature, measurement.value)],
                _ADVICE,
                is_count=False,
            )


def _schema() -> schema_pb2.Schema:
    """Asks TFDV for a measurement of every feature, whatever its value.

    TFDV measures by the comparators that have a threshold. Its own anomalies are not
    used, so that a limit is written down once, in the configuration.
    """
    schema = schema_pb2.Schema()
    names = schema.feature.add(name=features.CATEGORY_NAME, type=schema_pb2.BYTES)
    names.drift_comparator.infinity_norm.threshold = 0.0
    for name in _NUMBERS:
        feature = schema.feature.add(name=name, type=schema_pb2.FLOAT)
        feature.drift_comparator.jensen_shannon_divergence.threshold = 0.0
    return schema


def _describe(found: anomalies_pb2.Anomalies, feature: str, value: float) -> str:
    """TFDV's sentence when it has one; it names the class that changed most."""
    for reason in found.anomaly_info[feature].reason if value else ():
        if "current and previous" in reason.description:
            return " ".join(reason.description.split())
    return f"the distance is {checks.number(value)}"
