"""The transform graph of stored examples, as the Transform node makes it.

Its analysis is TensorFlow Transform's, which runs on Beam: here on Beam's runner in
this process, without TFX.
"""

import functools
import pathlib
import tempfile
from collections.abc import Mapping

import apache_beam as beam
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options import pipeline_options
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.public import tfxio

from foundation import progress
from model.examples import preprocessing
from pipeline import locations
from pipeline.settings import beam_arguments


def write(
    records: str, custom_config: Mapping[str, str], folder: pathlib.Path, workers: int
) -> None:
    """Analyses the records of the training split and writes the graph.

    Args:
        records: pattern of the TFRecord files.
        custom_config: see `preprocessing.preprocessing_fn`.
        folder: gets what `tft.TFTransformOutput` reads.
        workers: processes.
    """
    schema = text_format.Parse(
        locations.SCHEMA.read_text(encoding="utf-8"), schema_pb2.Schema()
    )
    source = tfxio.TFExampleRecord(
        records, schema=schema, telemetry_descriptors=["m2f", "train"]
    )
    analyse = functools.partial(
        preprocessing.preprocessing_fn, custom_config=dict(custom_config)
    )
    specs = source.TensorAdapter().OriginalTypeSpecs()
    columns = {
        *tft.get_analyze_input_columns(analyse, specs),
        *tft.get_transform_input_columns(analyse, specs),
    }
    used = source.Project(sorted(columns))
    arguments = list(beam_arguments.build("local", workers, ()))
    options = pipeline_options.PipelineOptions(arguments)
    with (
        progress.track("Analysing the training split"),
        tempfile.TemporaryDirectory(prefix="m2f_transform_") as work,
        tft_beam.Context(temp_dir=work, use_deep_copy_optimization=True),
        beam.Pipeline(options=options) as pipeline,
    ):
        examples = pipeline | "Read" >> used.BeamSource()
        graph = (examples, used.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(
            analyse, pipeline=pipeline
        )
        _ = graph | "Write" >> tft_beam.WriteTransformFn(str(folder))
