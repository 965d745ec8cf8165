"""Executor of DataGate."""

import logging
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components import wire
from components.data_gate import decision, gate_settings, judgement, measurements
from foundation import errors


class Executor(base_executor.BaseExecutor):
    """Stops the run when the data is not fit to train on."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        anomalies = artifact_utils.get_single_instance(input_dict["anomalies"])
        ingestion = artifact_utils.get_single_instance(input_dict["report"])
        artifact = artifact_utils.get_single_instance(output_dict[wire.VERDICT])
        verdict = judgement.judge(
            measurements.read_report(ingestion.uri),
            measurements.read_anomalies(anomalies.uri, _splits(anomalies)),
            _statistics(input_dict["statistics"]),
            _statistics(input_dict.get("previous_statistics")),
            gate_settings.GateConfig.model_validate_json(exec_properties["settings"]),
            exec_properties["num_queries"],
        )
        with fileio.open(f"{artifact.uri}/{wire.VERDICT_FILE}", "w") as file:
            file.write(verdict.to_json())
        artifact.set_int_custom_property(wire.VERDICT_PASSED, int(verdict.passed))
        artifact.set_string_custom_property(wire.VERDICT_SUMMARY, verdict.summary)
        explanation = decision.explain(verdict)
        logging.info("DataGate: %s", explanation)
        for warning in verdict.warnings:
            logging.warning("DataGate: %s", warning)
        if not verdict.passed:  # TFX then deletes the verdict: the message has it all
            raise errors.DataGateError(explanation)


def _statistics(artifacts: list[types.Artifact] | None) -> dict:
    return {
        split: found
        for artifact in artifacts or ()
        for split, found in measurements.read_statistics(
            artifact.uri, _splits(artifact)
        ).items()
    }


def _splits(artifact: types.Artifact) -> list[str]:
    return artifact_utils.decode_split_names(artifact.split_names)
