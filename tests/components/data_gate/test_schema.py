"""The curated schema, against statistics as TFDV makes them."""

from importlib import resources

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from tfx import v1 as tfx  # noqa: F401  makes this TFDV importable
from tfx_bsl.coders import example_coder

from model.examples import features

from tensorflow_data_validation.api import validation_api  # isort: skip
from tensorflow_data_validation.statistics import stats_impl  # isort: skip
from tensorflow_data_validation.statistics import stats_options  # isort: skip

GOOD = {
    features.IMAGE_ENCODED: [b"bytes"],
    features.IMAGE_FORMAT: [b"jpeg"],
    features.IMAGE_FILENAME: [b"train/1.jpg"],
    features.IMAGE_ID: [0],
    features.IMAGE_HEIGHT: [480],
    features.IMAGE_WIDTH: [640],
    features.IMAGE_SHA256: [b"00ff"],
    features.ANNOTATION_ID: [1, 2],
    features.CATEGORY_ID: [0, 90],
    features.CATEGORY_NAME: [b"cat", b"dog"],
    features.BOX_XMIN: [0.0, 0.5],
    features.BOX_XMAX: [0.5, 1.0],
    features.BOX_YMIN: [0.0, 0.25],
    features.BOX_YMAX: [0.25, 1.0],
    features.AREA: [1.0, 5000.0],
    features.IS_CROWD: [0, 1],
    features.NUM_RUNS: [2, 31],
    features.RUN_LENGTHS: [1, 2, 3],
}
WITHOUT_OBJECTS = {key: GOOD[key] for key in features.IMAGE_KEYS}


@pytest.fixture(scope="module")
def schema():
    text = (resources.files("schemas") / "coco_examples.pbtxt").read_text()
    return text_format.Parse(text, schema_pb2.Schema())


def serialize(values):
    example = tf.train.Example()
    kinds = {bytes: "bytes_list", int: "int64_list", float: "float_list"}
    for key, value in values.items():
        feature = example.features.feature[key]
        getattr(feature, kinds[type(value[0])]).value.extend(value)
    return example.SerializeToString()


@pytest.fixture(scope="module")
def anomalies_of(schema):
    options = stats_options.StatsOptions(
        feature_allowlist=list(features.ANNOTATION_KEYS)
    )
    decoder = example_coder.ExamplesToRecordBatchDecoder()

    def check(*examples):
        batch = decoder.DecodeBatch([serialize(example) for example in examples])
        statistics = stats_impl.generate_statistics_in_memory(batch, options)
        return set(validation_api.validate_statistics(statistics, schema).anomaly_info)

    return check


def test_good_examples_have_no_anomaly(anomalies_of):
    assert anomalies_of(GOOD) == set()


def test_an_image_without_objects_is_no_anomaly_even_alone(anomalies_of):
    assert anomalies_of(GOOD, WITHOUT_OBJECTS) == set()
    assert anomalies_of(WITHOUT_OBJECTS) == set()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (features.IMAGE_FORMAT, [b"gif"]),
        (features.IMAGE_HEIGHT, [0]),
        (features.IMAGE_ID, [-1]),
        (features.IMAGE_WIDTH, [640, 640]),
        (features.ANNOTATION_ID, [0, 1]),
        (features.BOX_XMAX, [0.5, 1.5]),
        (features.BOX_YMIN, [-0.1, 0.0]),
        (features.BOX_YMAX, [float("nan"), 1.0]),
        (features.AREA, [0.0, 1.0]),
        (features.IS_CROWD, [0, 2]),
        (features.CATEGORY_ID, [b"cat", b"dog"]),
    ],
)
def test_a_value_out_of_its_domain_is_an_anomaly(anomalies_of, key, value):
    assert anomalies_of({**GOOD, key: value}) == {key}


def test_an_image_key_that_is_missing_once_is_an_anomaly(anomalies_of):
    rest = {k: v for k, v in GOOD.items() if k != features.IMAGE_HEIGHT}
    assert anomalies_of(GOOD, rest) == {features.IMAGE_HEIGHT}


def test_the_schema_names_the_keys_of_an_example_and_no_other(schema):
    assert {feature.name for feature in schema.feature} == {
        *features.IMAGE_KEYS,
        *features.OBJECT_KEYS,
        features.RUN_LENGTHS,
    }


def test_transform_parses_every_key_with_the_type_it_is_stored_in(schema):
    spec = schema_utils.schema_as_feature_spec(schema).feature_spec
    parsed = tf.io.parse_example([serialize(GOOD), serialize(WITHOUT_OBJECTS)], spec)
    assert set(parsed) == set(GOOD)
    for key in features.IMAGE_KEYS:
        if key not in (features.IMAGE_ENCODED, features.IMAGE_SHA256):
            assert isinstance(spec[key], tf.io.FixedLenFeature), key
    for key in features.OBJECT_KEYS:
        assert parsed[key].values.numpy().tolist() == GOOD[key]
