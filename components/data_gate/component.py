"""DataGate: lets the data pass to training, or stops the run."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import artifact_types, wire
from components.data_gate import executor


class DataGateSpec(types.ComponentSpec):
    """Contract of DataGate; `settings` is `gate_settings.GateConfig` as JSON."""

    PARAMETERS = {
        "settings": component_spec.ExecutionParameter(type=str),
        "num_queries": component_spec.ExecutionParameter(type=int),
        wire.CODE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "anomalies": component_spec.ChannelParameter(
            type=standard_artifacts.ExampleAnomalies
        ),
        "statistics": component_spec.ChannelParameter(
            type=standard_artifacts.ExampleStatistics
        ),
        "previous_statistics": component_spec.ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
        "report": component_spec.ChannelParameter(type=artifact_types.IngestionReport),
    }
    OUTPUTS = {
        wire.VERDICT: component_spec.ChannelParameter(type=artifact_types.DataVerdict),
    }


class DataGate(base_component.BaseComponent):
    """Reads what was measured of the data; raises when it is not fit to train on."""

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        anomalies: types.BaseChannel,
        report: types.BaseChannel,
        statistics: types.BaseChannel,
        num_queries: int,
        previous_statistics: types.BaseChannel | None = None,
        settings: str = "{}",
        code_digest: str = "",
    ):
        """Builds the node.

        Args:
            num_queries: how many instances the model can answer with at most.
            previous_statistics: of the data that drift is judged against.
            settings: JSON of the `data.gate` section.
            code_digest: of the installed packages; part of the cache key.
        """
        super().__init__(
            spec=DataGateSpec(
                anomalies=anomalies,
                statistics=statistics,
                previous_statistics=previous_statistics,
                report=report,
                settings=settings,
                num_queries=num_queries,
                code_digest=code_digest,
                verdict=types.Channel(type=artifact_types.DataVerdict),
            )
        )
