"""DataGate: lets the data pass to training, or stops the run."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import artifact_types
from components.data_gate import executor


class DataGateSpec(types.ComponentSpec):
    """Contract of DataGate; `limits` is a JSON object kind of problem -> count."""

    PARAMETERS = {
        "limits": component_spec.ExecutionParameter(type=str),
        "code_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "anomalies": component_spec.ChannelParameter(
            type=standard_artifacts.ExampleAnomalies
        ),
        "statistics": component_spec.ChannelParameter(
            type=standard_artifacts.ExampleStatistics
        ),
        "report": component_spec.ChannelParameter(type=artifact_types.IngestionReport),
    }
    OUTPUTS = {
        "verdict": component_spec.ChannelParameter(type=artifact_types.DataVerdict),
    }


class DataGate(base_component.BaseComponent):
    """Reads anomalies and the ingestion report; raises when they are too bad."""

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        anomalies: types.BaseChannel,
        report: types.BaseChannel,
        statistics: types.BaseChannel,
        limits: str = "{}",
        code_digest: str = "",
    ):
        """Builds the node.

        Args:
            limits: JSON object, kind of ingestion problem -> largest count that
                passes; kinds not named keep `checks.DEFAULT_LIMITS`.
            code_digest: of the installed packages; part of the cache key.
        """
        super().__init__(
            spec=DataGateSpec(
                anomalies=anomalies,
                statistics=statistics,
                report=report,
                limits=limits,
                code_digest=code_digest,
                verdict=types.Channel(type=artifact_types.DataVerdict),
            )
        )
