"""Statistics and anomalies of records, as StatisticsGen and ExampleValidator give them.

In this process and memory, where those two take a Beam pipeline.
"""

import pathlib
from collections.abc import Iterator

import tensorflow as tf
import tfx  # noqa: F401  stands in for a part of tfx-bsl that TFDV looks for
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx_bsl.coders import example_coder

from model.examples import features, record_files
from pipeline import locations

# After tfx, see above.
from tensorflow_data_validation.api import validation_api  # isort: skip
from tensorflow_data_validation.statistics import stats_impl  # isort: skip
from tensorflow_data_validation.statistics import stats_options  # isort: skip

Statistics = statistics_pb2.DatasetFeatureStatisticsList


def of_records(folder: pathlib.Path) -> Statistics:
    """Statistics of everything in a split's records but pixels and runs.

    Args:
        folder: holds the record files, at least one record in them.
    """
    names = list(features.ANNOTATION_KEYS)
    decoder = example_coder.ExamplesToRecordBatchDecoder()
    batch = decoder.DecodeBatch(list(_without_pixels(folder)))
    options = stats_options.StatsOptions(feature_allowlist=names)
    return stats_impl.generate_statistics_in_memory(batch, options)


def anomalies(statistics: Statistics) -> anomalies_pb2.Anomalies:
    """What breaks the curated schema."""
    schema = text_format.Parse(
        locations.SCHEMA.read_text(encoding="utf-8"), schema_pb2.Schema()
    )
    return validation_api.validate_statistics(statistics, schema)


def _without_pixels(folder: pathlib.Path) -> Iterator[bytes]:
    files = record_files.files_of_split(str(folder))
    for serialized in record_files.read(files).as_numpy_iterator():
        whole = tf.train.Example.FromString(serialized)
        kept = tf.train.Example()
        for key in features.ANNOTATION_KEYS:
            if key in whole.features.feature:
                kept.features.feature[key].CopyFrom(whole.features.feature[key])
        yield kept.SerializeToString()
