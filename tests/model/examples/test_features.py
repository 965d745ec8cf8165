import numpy as np
import tensorflow as tf

from model.examples import features


def serialize(objects):
    """An example with `objects` instances of two runs each."""
    scalars = {
        features.IMAGE_ENCODED: b"bytes",
        features.IMAGE_FORMAT: b"png",
        features.IMAGE_FILENAME: b"train/1.png",
        features.IMAGE_ID: 7,
        features.IMAGE_HEIGHT: 4,
        features.IMAGE_WIDTH: 6,
        features.IMAGE_SHA256: b"00ff",
    }
    lists = {
        features.ANNOTATION_ID: [11, 12],
        features.CATEGORY_ID: [3, 22],
        features.CATEGORY_NAME: [b"disk", b"box"],
        features.BOX_XMIN: [0.0, 0.25],
        features.BOX_XMAX: [0.5, 0.75],
        features.BOX_YMIN: [0.0, 0.5],
        features.BOX_YMAX: [1.0, 1.0],
        features.AREA: [5.0, 9.0],
        features.IS_CROWD: [0, 1],
        features.NUM_RUNS: [2, 2],
    }
    values = {key: [value] for key, value in scalars.items()}
    values |= {key: value[:objects] for key, value in lists.items() if objects}
    if objects:
        values[features.RUN_LENGTHS] = [4, 20, 3, 21][: 2 * objects]
    example = tf.train.Example()
    for key, value in values.items():
        feature = example.features.feature[key]
        kind = {bytes: "bytes_list", int: "int64_list", float: "float_list"}
        getattr(feature, kind[type(value[0])]).value.extend(value)
    return example.SerializeToString()


def test_image_keys_are_scalars_and_object_keys_are_lists():
    parsed = features.parse_example(serialize(2))
    assert all(parsed[key].shape == () for key in features.IMAGE_KEYS)
    assert all(parsed[key].shape == (2,) for key in features.OBJECT_KEYS)
    assert parsed[features.IMAGE_ID].numpy() == 7
    assert parsed[features.CATEGORY_NAME].numpy().tolist() == [b"disk", b"box"]
    np.testing.assert_array_equal(parsed[features.RUN_LENGTHS], [4, 20, 3, 21])


def test_an_image_without_objects_has_empty_lists():
    parsed = features.parse_example(serialize(0))
    for key in (*features.OBJECT_KEYS, features.RUN_LENGTHS):
        assert parsed[key].shape == (0,)


def test_examples_of_different_counts_parse_inside_dataset_map():
    records = [serialize(count) for count in (0, 2, 1)]
    dataset = tf.data.Dataset.from_tensor_slices(records).map(features.parse_example)
    counts = [int(tf.size(row[features.NUM_RUNS])) for row in dataset]
    assert counts == [0, 2, 1]


def test_statistics_leave_pixels_hash_and_runs_out():
    left_out = {features.IMAGE_ENCODED, features.IMAGE_SHA256, features.RUN_LENGTHS}
    every_key = {*features.IMAGE_KEYS, *features.OBJECT_KEYS, features.RUN_LENGTHS}
    assert set(features.ANNOTATION_KEYS) == every_key - left_out
