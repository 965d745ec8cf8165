import collections
import json
import pathlib

import pytest
import tensorflow as tf

from components.coco_example_gen import ingest_settings, ingestion
from components.coco_example_gen.read import layouts
from model.examples import features
from pipeline.tools import data_statistics
from pipeline.toy import toy_coco


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A folder of the toy dataset, `coco`, and of its records, `train` and `eval`."""
    folder = tmp_path_factory.mktemp("toy")
    data = [layouts.detect(toy_coco.generate(folder / "coco", 12, 4, size=64))]
    settings = ingest_settings.IngestSettings()
    records = {split: str(folder / split) for split in ("train", "eval")}
    places = (str(folder / "work"), records, str(folder / "report"))
    ingestion.ingest(data, settings, *places, ingestion.run_here)
    return folder


def strings(statistics, key):
    (found,) = [
        feature
        for feature in statistics.datasets[0].features
        if feature.path.step[0] == key
    ]
    return {
        bucket.label: bucket.sample_count
        for bucket in found.string_stats.rank_histogram.buckets
    }


def test_statistics_count_what_the_annotations_hold(toy):
    text = (toy / "coco" / "annotations" / "instances_train.json").read_text()
    content = json.loads(text)
    names = {each["id"]: each["name"] for each in content["categories"]}
    classes = collections.Counter(
        names[each["category_id"]] for each in content["annotations"]
    )
    found = data_statistics.of_records(toy / "train")
    assert found.datasets[0].num_examples == 12
    assert strings(found, features.CATEGORY_NAME) == classes
    computed_of = {each.path.step[0] for each in found.datasets[0].features}
    assert computed_of == set(features.ANNOTATION_KEYS)


def test_sound_records_have_no_anomaly(toy):
    found = data_statistics.anomalies(data_statistics.of_records(toy / "train"))
    assert not found.anomaly_info


def test_values_that_break_the_schema_are_anomalies(toy, tmp_path):
    (path,) = (toy / "train").glob("*.gz")
    records = tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator()
    with tf.io.TFRecordWriter(
        str(tmp_path / "data_tfrecord-spoilt.gz"), "GZIP"
    ) as writer:
        for record in records:
            example = tf.train.Example.FromString(record)
            stored = example.features.feature
            stored[features.IMAGE_FORMAT].bytes_list.value[0] = b"gif"
            for index in range(len(stored[features.IS_CROWD].int64_list.value)):
                stored[features.IS_CROWD].int64_list.value[index] = 2
            writer.write(example.SerializeToString())
    found = data_statistics.anomalies(data_statistics.of_records(tmp_path))
    assert set(found.anomaly_info) == {features.IMAGE_FORMAT, features.IS_CROWD}


@pytest.mark.slow
def test_statistics_are_those_that_tfdv_computes_with_beam(toy):
    import tensorflow_data_validation as tfdv

    expected = tfdv.generate_statistics_from_tfrecord(
        str(toy / "train" / "*.gz"),
        stats_options=tfdv.StatsOptions(
            feature_allowlist=list(features.ANNOTATION_KEYS)
        ),
    )
    found = data_statistics.of_records(pathlib.Path(toy / "train"))
    by_name = [
        {feature.path.step[0]: feature for feature in each.datasets[0].features}
        for each in (found, expected)
    ]
    assert set(by_name[0]) == set(by_name[1])
    for name, feature in by_name[0].items():
        assert feature.type == by_name[1][name].type
        for key in ("num_stats", "string_stats"):
            own, other = getattr(feature, key), getattr(by_name[1][name], key)
            assert (
                own.common_stats.num_non_missing == other.common_stats.num_non_missing
            )
            assert own.common_stats.tot_num_values == other.common_stats.tot_num_values
        assert feature.num_stats.min == by_name[1][name].num_stats.min
        assert feature.num_stats.max == by_name[1][name].num_stats.max
        assert feature.num_stats.mean == pytest.approx(by_name[1][name].num_stats.mean)
        assert feature.string_stats.unique == by_name[1][name].string_stats.unique
