"""What a model must reach, read from a `tfma.EvalConfig`."""

import dataclasses

from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2

from foundation import errors

# The messages are taken from their module: `tensorflow_model_analysis` itself only has
# them once TFX has been imported.
METRIC = "MaskAP"  # `class_name` of the metric whose thresholds are used
CLASS_SLICE = "class"  # feature of a slice, its value is the class name


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """None means that nothing is asked.

    Attributes:
        min_mask_ap: floor of the mask AP.
        min_change: floor of mask AP minus the baseline's.
        class_floors: floor of the mask AP of a class, by name.
    """

    min_mask_ap: float | None = None
    min_change: float | None = None
    class_floors: dict[str, float] = dataclasses.field(default_factory=dict)


def parse(text: str) -> tuple[config_pb2.EvalConfig, Thresholds]:
    """Reads the JSON form of a `tfma.EvalConfig`.

    Raises:
        ConfigError: not an EvalConfig, or it holds a metric or a threshold that is
            not checked here, or one twice: a threshold that is passed over would bless
            too much.
    """
    try:
        proto = json_format.Parse(text, config_pb2.EvalConfig())
    except json_format.ParseError as error:
        raise errors.ConfigError(
            f"eval_config: not the JSON of a tfma.EvalConfig: {error}"
        ) from None
    metrics = []
    for spec in proto.metrics_specs:
        if spec.thresholds or spec.per_slice_thresholds or spec.cross_slice_thresholds:
            raise _unknown("thresholds outside of `metrics`")
        metrics += spec.metrics
    found = [_of_metric(metric) for metric in metrics]
    if len(found) > 1:
        raise errors.ConfigError(
            f"eval_config: metrics_specs hold {METRIC!r} {len(found)} times, and one "
            "would replace the thresholds of the other; wanted once. Put all "
            "thresholds and slices into one of them."
        )
    return proto, found[0] if found else Thresholds()


def _of_metric(metric: config_pb2.MetricConfig) -> Thresholds:
    if metric.class_name != METRIC:
        raise _unknown(f"metric {metric.class_name!r}")
    if metric.cross_slice_thresholds:
        raise _unknown("cross_slice_thresholds")
    floors = {}
    for entry in metric.per_slice_thresholds:
        if entry.threshold.HasField("change_threshold"):
            raise _unknown("a change threshold of a slice")
        floor = _floor(entry.threshold)
        for slicing in entry.slicing_specs:
            name = _class_name(slicing)
            if floor is None:
                raise _unknown("a slice without a lower bound")
            if name in floors:
                raise errors.ConfigError(
                    f"eval_config: per_slice_thresholds name the class {name!r} twice, "
                    f"with the lower bounds {floors[name]} and {floor}; wanted once. "
                    "Drop one of them."
                )
            floors[name] = floor
    change = metric.threshold.change_threshold
    return Thresholds(_floor(metric.threshold), _change(change), floors)


def _floor(threshold: config_pb2.MetricThreshold) -> float | None:
    value = threshold.value_threshold
    if value.HasField("upper_bound"):
        raise _unknown("an upper bound")
    return value.lower_bound.value if value.HasField("lower_bound") else None


def _change(change: config_pb2.GenericChangeThreshold) -> float | None:
    if change.HasField("relative"):
        raise _unknown("a relative change threshold")
    if not change.HasField("absolute"):
        return None
    if change.direction != config_pb2.MetricDirection.HIGHER_IS_BETTER:
        raise _unknown("a change threshold that is not HIGHER_IS_BETTER")
    return change.absolute.value


def _class_name(slicing: config_pb2.SlicingSpec) -> str:
    if slicing.feature_keys or list(slicing.feature_values) != [CLASS_SLICE]:
        raise _unknown(f"a slice that is not one value of {CLASS_SLICE!r}")
    return slicing.feature_values[CLASS_SLICE]


def _unknown(what: str) -> errors.ConfigError:
    return errors.ConfigError(
        f"eval_config: {what} is not supported. Wanted one metric {METRIC!r} with a "
        "lower bound, an absolute HIGHER_IS_BETTER change and slices "
        f"{{{CLASS_SLICE!r}: name}} with a lower bound."
    )
