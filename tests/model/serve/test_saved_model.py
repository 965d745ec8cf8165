import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from foundation import errors
from model.serve import saved_model

pytestmark = pytest.mark.onednn

SHAPES = [(3, 4, 8, 12, 16), (22, 20, 0, 8, 12)]


@pytest.fixture(scope="module")
def predictor(exported):
    return saved_model.load(exported)


def test_detections_are_of_one_image_without_padding(predictor, colour_model):
    images = [
        colour_model.encode_png(colour_model.picture(SHAPES)),
        colour_model.encode_png(colour_model.picture([], size=(16, 24))),
    ]
    both, none = predictor.predict_encoded(images)
    assert set(both.category_ids[:2].tolist()) == {3, 22}
    assert set(both.class_names[:2]) == {"red thing", "blue thing"}
    assert np.all(np.diff(both.scores) <= 0)
    for mask, box in zip(both.masks, both.boxes, strict=True):
        np.testing.assert_array_equal(coco_mask.toBbox(mask), box)
    assert none.image_size == (16, 24)
    assert none.masks == [] and none.scores.shape == (0,)


def test_pixels_give_what_their_png_gives(predictor, colour_model):
    pixels = colour_model.picture(SHAPES)
    (encoded,) = predictor.predict_encoded([colour_model.encode_png(pixels)])
    (tensor,) = predictor.predict_pixels(pixels[None])
    np.testing.assert_array_equal(encoded.scores, tensor.scores)
    assert encoded.masks == tensor.masks


def test_no_images_give_no_detections(predictor):
    assert predictor.predict_encoded([]) == []
    assert predictor.predict_pixels(np.zeros([0, 8, 8, 3], np.uint8)) == []


def test_categories_and_info_are_those_of_the_export(predictor, colour_model):
    assert predictor.categories == colour_model.CATEGORIES
    assert predictor.info == {"name": "colours"}


def test_a_model_of_another_origin_is_refused(tmp_path):
    other = tf.Module()
    other.double = tf.function(
        lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([])]
    )
    tf.saved_model.save(other, str(tmp_path), signatures={"predict": other.double})
    with pytest.raises(errors.ModelFileError, match=r"it has \['predict'\]"):
        saved_model.load(tmp_path)


def test_a_damaged_file_is_one_clear_error(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "model")
    (folder / "saved_model.pb").write_bytes(b"\x08\x01broken")
    with pytest.raises(errors.ModelFileError, match="cannot be loaded"):
        saved_model.load(folder)


def test_missing_variables_are_one_clear_error(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "model")
    shutil.rmtree(folder / "variables")
    with pytest.raises(errors.ModelFileError, match="cannot be loaded"):
        saved_model.load(folder)


def test_a_missing_or_wrong_table_of_classes_is_one_clear_error(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "model")
    table = folder / "assets.extra" / "categories.json"
    table.write_text(json.dumps([{"id": 3}]))
    with pytest.raises(errors.ModelFileError, match="categories.json"):
        saved_model.load(folder)
    table.unlink()
    with pytest.raises(errors.ModelFileError, match="categories.json"):
        saved_model.load(folder)
