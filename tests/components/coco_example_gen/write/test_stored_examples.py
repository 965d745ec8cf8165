import pytest
import tensorflow as tf

from components.coco_example_gen.write import stored_examples
from model.examples import features


@pytest.fixture
def folder(tmp_path):
    """Three record files of the images 2, 3 and 5, of none, and of 8 and 13."""
    for number, image_ids in enumerate(([2, 3, 5], [], [8, 13])):
        path = tmp_path / f"data_tfrecord-{number:05d}-of-00003.gz"
        with tf.io.TFRecordWriter(str(path), options="GZIP") as writer:
            for image_id in image_ids:
                example = tf.train.Example()
                feature = example.features.feature
                feature[features.IMAGE_ID].int64_list.value.append(image_id)
                writer.write(example.SerializeToString())
    return str(tmp_path)


def test_images_are_found_in_the_file_that_holds_them(folder):
    found = stored_examples.find({"train": folder}, {"train": {2, 5, 13}})
    assert sorted(found) == [("train", 2), ("train", 5), ("train", 13)]
    for (_, image_id), example in found.items():
        assert stored_examples.id_of(example) == image_id


def test_images_that_are_not_stored_are_missing(folder):
    wanted = {"train": {1, 4, 7, 14}}
    assert stored_examples.find({"train": folder}, wanted) == {}


def test_no_more_files_are_read_than_hold_what_is_wanted(folder, monkeypatch):
    read = []
    original = stored_examples._read

    def remember(path):
        for example in original(path):
            read.append(stored_examples.id_of(example))
            yield example

    monkeypatch.setattr(stored_examples, "_read", remember)
    stored_examples.find({"train": folder}, {"train": {3}})
    assert read == [2, 8, 2, 3]  # the first of each file, then up to the image
