"""Executor of DataGate."""

import json
import logging

from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.data_gate import checks, decision, sources
from pipeline import errors

VERDICT_FILE = "verdict.json"


class Executor(base_executor.BaseExecutor):
    """Stops the run when the data is not fit to train on."""

    def Do(self, input_dict, output_dict, exec_properties) -> None:
        anomalies = artifact_utils.get_single_instance(input_dict["anomalies"])
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        ingestion = artifact_utils.get_single_instance(input_dict["report"])
        verdict_artifact = artifact_utils.get_single_instance(output_dict["verdict"])
        report = sources.read_report(ingestion.uri)
        verdict = decision.decide(
            [
                *checks.problem_checks(report, json.loads(exec_properties["limits"])),
                *checks.anomaly_checks(
                    sources.read_anomalies(anomalies.uri, _splits(anomalies))
                ),
                *checks.completeness_checks(
                    report,
                    sources.read_num_examples(statistics.uri, _splits(statistics)),
                ),
            ]
        )
        with fileio.open(f"{verdict_artifact.uri}/{VERDICT_FILE}", "w") as file:
            file.write(verdict.to_json())
        verdict_artifact.set_int_custom_property("passed", int(verdict.passed))
        explanation = decision.explain(verdict)
        logging.info("DataGate: %s", explanation)
        if not verdict.passed:  # TFX then deletes the verdict: the message has it all
            raise errors.DataGateError(explanation)


def _splits(artifact) -> list[str]:
    return artifact_utils.decode_split_names(artifact.split_names)
