"""Unpacks artifacts, has the models assessed and records the verdict."""

import math
from typing import Any

from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components import wire
from components.coco_evaluator import (
    assessment,
    blessing_rules,
    evaluation_report,
    thresholds,
)
from foundation import artifact_paths
from model.examples import record_files


class Executor(base_executor.BaseExecutor):
    """Scores what would be served on the eval split."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        baselines = input_dict.get("baseline_model") or []
        evaluation = artifact_utils.get_single_instance(output_dict[wire.EVALUATION])
        blessing = artifact_utils.get_single_instance(output_dict[wire.BLESSING])
        eval_config, wanted = thresholds.parse(exec_properties["eval_config"])

        found = assessment.assess(
            candidate=_saved_model(model),
            baseline=_saved_model(baselines[0]) if baselines else None,
            files=_split_files(examples, exec_properties["example_split"]),
            wanted=wanted,
            batch_size=exec_properties["batch_size"],
        )

        evaluation_report.write(
            artifact_paths.of(evaluation.uri), found, eval_config, model.uri
        )
        _record_metrics(evaluation, found)
        _record_models(blessing, model, baselines)
        _record_verdict(blessing, found.verdict)


def _saved_model(model: types.Artifact) -> artifact_paths.Path:
    is_old = path_utils.is_old_model_artifact(model)
    return artifact_paths.of(path_utils.serving_model_path(model.uri, is_old))


def _split_files(examples: types.Artifact, split: str) -> list[str]:
    """Files of a split; none when the examples lack the split."""
    if split not in artifact_utils.decode_split_names(examples.split_names):
        return []
    return record_files.files_of_split(artifact_utils.get_split_uri([examples], split))


def _record_metrics(evaluation: types.Artifact, found: assessment.Assessment) -> None:
    if found.metrics is None:
        return
    for name, value in found.metrics.numbers().items():
        if not math.isnan(value):
            evaluation.set_float_custom_property(name, value)


def _record_models(
    blessing: types.Artifact, model: types.Artifact, baselines: list[types.Artifact]
) -> None:
    """As TFX's own evaluator does, so that TFX's resolvers find the blessed model."""
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id
    )
    for baseline in baselines[:1]:
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id
        )


def _record_verdict(blessing: types.Artifact, verdict: blessing_rules.Verdict) -> None:
    """Writes property and file, either of which TFX's Pusher goes by."""
    if verdict.blessed:
        name, value = constants.BLESSED_FILE_NAME, constants.BLESSED_VALUE
    else:
        name, value = constants.NOT_BLESSED_FILE_NAME, constants.NOT_BLESSED_VALUE
    fileio.makedirs(blessing.uri)
    with fileio.open(f"{blessing.uri}/{name}", "w") as file:
        file.write(verdict.reason)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    blessing.set_string_custom_property(wire.REASON, verdict.reason)
