"""Unpacks artifacts, has the model asked and records whether it can be served."""

from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components import wire
from components.serving_validator import validation
from foundation import artifact_paths, artifact_trees
from model.examples import record_files


class Executor(base_executor.BaseExecutor):
    """Asks the exported model about eval images, in a process of its own."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        model = artifact_utils.get_single_instance(input_dict["model"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        blessing = artifact_utils.get_single_instance(output_dict[wire.BLESSING])
        is_old = path_utils.is_old_model_artifact(model)

        place = artifact_paths.of(path_utils.serving_model_path(model.uri, is_old))
        # A server has its model on a disk, and no other way to reach an object store.
        with artifact_trees.local_folder(place) as saved_model:
            found = validation.validate(
                model=saved_model,
                files=_split_files(examples, exec_properties["example_split"]),
                num_requests=exec_properties["num_requests"],
                timeout=exec_properties["timeout_seconds"],
            )

        folder = artifact_paths.of(blessing.uri)
        validation.write_report(found, folder / validation.REPORT_FILENAME)
        _record(blessing, found)


def _split_files(examples: types.Artifact, split: str) -> list[str]:
    """Files of a split; none when the examples lack the split."""
    if split not in artifact_utils.decode_split_names(examples.split_names):
        return []
    folder = artifact_utils.get_split_uri([examples], split)
    return record_files.files_of_split(folder)


def _record(blessing: types.Artifact, found: validation.Validation) -> None:
    """Writes property and file, either of which TFX's Pusher goes by."""
    blessed, refused = wire.INFRA_BLESSED_FILE, wire.INFRA_NOT_BLESSED_FILE
    name = blessed if found.passed else refused
    with fileio.open(f"{blessing.uri}/{name}", "w") as file:
        file.write(found.reason)
    blessing.set_int_custom_property(wire.BLESSED, int(found.passed))
    blessing.set_string_custom_property(wire.REASON, found.reason)
    if found.passed:
        blessing.set_float_custom_property("latency_ms", found.latency_ms)
        blessing.set_float_custom_property("load_seconds", found.load_seconds)
