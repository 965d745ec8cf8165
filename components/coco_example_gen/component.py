"""CocoExampleGen: annotated images in, Examples and an ingestion report out."""

from collections.abc import Sequence

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import component_spec, standard_artifacts

from components import artifact_types, wire
from components.coco_example_gen import driver, executor, ingest_settings

_DEFAULT_SETTINGS = ingest_settings.IngestSettings()


class CocoExampleGenSpec(types.ComponentSpec):
    """Contract of CocoExampleGen; the `input_*` and `output_*` are TFX's driver's."""

    PARAMETERS = {
        "input_base": component_spec.ExecutionParameter(type=str),
        "input_config": component_spec.ExecutionParameter(type=example_gen_pb2.Input),
        "output_config": component_spec.ExecutionParameter(type=example_gen_pb2.Output),
        "output_data_format": component_spec.ExecutionParameter(type=int),
        "output_file_format": component_spec.ExecutionParameter(type=int),
        "settings": component_spec.ExecutionParameter(type=str),
        wire.CODE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {}
    OUTPUTS = {
        wire.EXAMPLES: component_spec.ChannelParameter(
            type=standard_artifacts.Examples
        ),
        wire.REPORT: component_spec.ChannelParameter(
            type=artifact_types.IngestionReport
        ),
    }


class CocoExampleGen(base_beam_component.BaseBeamComponent):
    """Ingests annotated images as the splits `train` and `eval`."""

    SPEC_CLASS = CocoExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.Driver

    def __init__(
        self,
        roots: Sequence[str],
        settings: ingest_settings.IngestSettings = _DEFAULT_SETTINGS,
        code_digest: str = "",
    ):
        """Builds the node.

        Args:
            roots: the folders; each may hold `{SPAN}` and `{VERSION}`, of which the
                latest are taken.
            settings: how the folders are read.
            code_digest: of the installed packages; part of the cache key.
        """
        base, splits = driver.input_of(roots)
        super().__init__(
            spec=CocoExampleGenSpec(
                input_base=base,
                input_config=example_gen_pb2.Input(splits=splits),
                output_config=example_gen_pb2.Output(),
                output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
                output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
                settings=settings.model_dump_json(),
                code_digest=code_digest,
                examples=types.Channel(type=standard_artifacts.Examples),
                report=types.Channel(type=artifact_types.IngestionReport),
            )
        )
