"""Requests without images, asked of a real network in processes that they may end."""

import json
import os
import subprocess
import sys

import pytest

from model.network import mask2former
from model.serve import export

_ASK = """
import json, sys
import numpy as np
import tensorflow as tf

signatures = tf.saved_model.load(sys.argv[1]).signatures
tensor = signatures["serving_tensor"]
strings = tf.constant([], tf.string)
asked = {
    "serving_default": {"image_bytes": strings},
    "serving_examples": {"examples": strings},
    "serving_tensor": {"images": tf.zeros([0, 90, 70, 3], tf.uint8)},
}
told = {}
for name, inputs in asked.items():
    found = signatures[name](**inputs)
    told[name] = {key: value.shape.as_list() for key, value in found.items()}
for shape in ([1, 0, 5, 3], [1, 5, 0, 3], [0, 0, 0, 3]):
    try:
        tensor(images=tf.zeros(shape, tf.uint8))
        told[str(shape)] = "no error"
    except tf.errors.InvalidArgumentError as error:
        told[str(shape)] = error.message
pixels = np.random.default_rng(0).integers(0, 255, [2, 90, 70, 3], np.uint8)
told["then"] = tensor(images=tf.constant(pixels))["image_size"].numpy().tolist()
print(json.dumps(told))
"""
_DETECTIONS = 5


@pytest.fixture(scope="module")
def served(tiny_model_config, colour_model, tmp_path_factory):
    """Folder of an exported network whose every part is real."""
    folder = tmp_path_factory.mktemp("served")
    module = export.ServingModule(
        mask2former.build(tiny_model_config, len(colour_model.CATEGORIES)),
        colour_model.PixelTransform(colour_model.DATA),
        colour_model.CATEGORIES,
        _DETECTIONS,
    )
    export.save(module, folder, {})
    return folder


@pytest.mark.parametrize("onednn", ["0", "1"])
def test_no_images_get_no_answers_and_the_process_lives(served, onednn):
    ran = subprocess.run(
        [sys.executable, "-I", "-c", _ASK, str(served)],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    for name in export.SIGNATURES:
        assert told[name] == {
            "num_detections": [0],
            "scores": [0, _DETECTIONS],
            "category_ids": [0, _DETECTIONS],
            "class_names": [0, _DETECTIONS],
            "boxes": [0, _DETECTIONS, 4],
            "masks_rle": [0, _DETECTIONS],
            "image_size": [0, 2],
        }
    for shape in ("[1, 0, 5, 3]", "[1, 5, 0, 3]", "[0, 0, 0, 3]"):
        assert "at least 1 px high and wide" in told[shape]
    assert told["then"] == [[90, 70]] * 2
