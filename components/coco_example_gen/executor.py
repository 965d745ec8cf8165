"""Executor of CocoExampleGen."""

import logging
import pathlib
from typing import Any

import apache_beam as beam
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from components import wire
from components.coco_example_gen import driver, ingest_settings, ingestion
from components.coco_example_gen.read import layouts
from components.coco_example_gen.write import plans, shards


class Executor(base_beam_executor.BaseBeamExecutor):
    """Turns annotated images into examples and a report of what was wrong with them."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        examples = artifact_utils.get_single_instance(output_dict[wire.EXAMPLES])
        ingestion_report = artifact_utils.get_single_instance(output_dict[wire.REPORT])
        settings = ingest_settings.IngestSettings.model_validate_json(
            exec_properties["settings"]
        )
        examples.split_names = artifact_utils.encode_split_names(list(wire.SPLITS))
        record_folders = {
            name: artifact_utils.get_split_uri([examples], name) for name in wire.SPLITS
        }
        summary = ingestion.ingest(
            layouts.detect_all(_roots(exec_properties), settings.layout),
            settings,
            self._get_tmp_dir(),
            record_folders,
            ingestion_report.uri,
            self._run_shards,
        )
        _describe(examples, ingestion_report, summary)

    def _run_shards(self, work: list[plans.Shard]) -> None:
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(work)
                | "Spread" >> beam.Reshuffle()
                | "WriteRecords" >> beam.Map(shards.write_records)
            )


def _roots(exec_properties: dict[str, Any]) -> list[pathlib.Path]:
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[wire.INPUT_CONFIG], config)
    return driver.dataset_roots(exec_properties[wire.INPUT_BASE], config.splits)


def _describe(
    examples: types.Artifact, ingestion_report: types.Artifact, summary: dict[str, Any]
) -> None:
    """Records formats and counts as properties, where lineage finds them."""
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, wire.RECORDS_FORMAT)
    for artifact in (examples, ingestion_report):
        artifact.set_string_custom_property("layout", summary["layout"])
        for split, counts in summary["splits"].items():
            for key in ("images", "objects"):
                artifact.set_int_custom_property(f"{split}_{key}", counts[key])
    logging.info("CocoExampleGen: %s", summary["splits"])
