import numpy as np
import tensorflow as tf
from pycocotools import mask as coco_mask

from model.examples import features, record_files

STRIPE = (3, 8, 0, 8, 32)
CORNER = (22, 0, 0, 2, 3)


def example(colour_model, image_id, shapes=()):
    return colour_model.example(image_id, colour_model.picture(shapes), list(shapes))


def write(path, examples, compression):
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for each in examples:
            writer.write(each)
    return str(path)


def test_only_records_of_the_split_are_its_files_in_order(tmp_path):
    names = ["data_tfrecord-00001-of-00002.gz", "data_tfrecord-00000-of-00002.gz"]
    for name in [*names, "notes.txt"]:
        (tmp_path / name).touch()
    found = record_files.files_of_split(str(tmp_path))
    assert found == [str(tmp_path / name) for name in sorted(names)]
    assert record_files.files_of_split(str(tmp_path / "none")) == []


def test_annotations_hold_the_drawn_masks_and_no_pixels(colour_model, tmp_path):
    stored = [example(colour_model, 5, [STRIPE, CORNER]), example(colour_model, 2)]
    path = colour_model.write_split(tmp_path, stored)
    first, second = record_files.annotations([str(path)])
    assert features.IMAGE_ENCODED not in first
    assert (first[features.IMAGE_ID], second[features.IMAGE_ID]) == (5, 2)
    assert first[features.CATEGORY_ID].tolist() == [3, 22]
    runs = np.split(
        first[features.RUN_LENGTHS], np.cumsum(first[features.NUM_RUNS])[:-1]
    )
    for shape, counts in zip([STRIPE, CORNER], runs, strict=True):
        coded = {"size": [32, 32], "counts": counts.tolist()}
        drawn = coco_mask.decode(coco_mask.frPyObjects(coded, 32, 32))
        np.testing.assert_array_equal(
            drawn, colour_model.box_mask((32, 32), *shape[1:])
        )
    assert second[features.NUM_RUNS].size == 0


def test_batches_hold_every_image_once_and_the_last_is_smaller(colour_model, tmp_path):
    shapes = {9: [STRIPE], 4: [], 7: [CORNER]}
    stored = [example(colour_model, *each) for each in shapes.items()]
    for compression, end in (("GZIP", ".gz"), ("", "")):
        files = [
            write(tmp_path / f"a_tfrecord{end}", stored[:1], compression),
            write(tmp_path / f"b_tfrecord{end}", stored[1:], compression),
        ]
        batches = list(record_files.image_batches(files, 2))
        assert [ids.tolist() for ids, _ in batches] == [[9, 4], [7]]
        encoded = [each for _, images in batches for each in images]
        for drawn, image in zip(shapes.values(), encoded, strict=True):
            np.testing.assert_array_equal(
                tf.io.decode_png(image), colour_model.picture(drawn)
            )
