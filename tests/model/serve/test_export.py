import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask
from tensorflow.core.protobuf import saved_model_pb2

from model.examples import categories
from model.network import mask2former
from model.serve import export

pytestmark = pytest.mark.onednn

SHAPES = [(3, 4, 8, 12, 16), (22, 20, 0, 8, 12)]  # red and blue, on the 4 px grid


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(str(exported))


@pytest.fixture(scope="module")
def png(colour_model):
    return colour_model.encode_png(colour_model.picture(SHAPES))


def test_bytes_in_coco_detections_out(loaded, png, colour_model):
    found = loaded.signatures["serving_default"](image_bytes=tf.constant([png]))
    rows = found["category_ids"].numpy()[0].tolist()
    assert sorted(rows[:2]) == [3, 22]
    names = {3: b"red thing", 22: b"blue thing"}
    corners = {3: 4, 22: 2}  # pixels lost; blue lies at the left edge
    for row, category_id in enumerate(rows[:2]):
        shape = next(shape for shape in SHAPES if shape[0] == category_id)
        assert found["class_names"].numpy()[0, row] == names[category_id]
        top, left, height, width = shape[1:]
        box = found["boxes"].numpy()[0, row].tolist()
        assert box == [left, top, width, height]
        counts = found["masks_rle"].numpy()[0, row]
        drawn = coco_mask.decode({"size": [32, 32], "counts": counts})
        truth = colour_model.box_mask((32, 32), *shape[1:])
        assert (truth - drawn).sum() == corners[category_id]
        assert not np.any(drawn > truth)
    assert found["image_size"].numpy().tolist() == [[32, 32]]


def test_the_three_signatures_agree(loaded, png, colour_model):
    pixels = colour_model.picture(SHAPES)
    record = colour_model.example(1, pixels, SHAPES)
    encoded = loaded.signatures["serving_default"](image_bytes=tf.constant([png]))
    tensor = loaded.signatures["serving_tensor"](images=tf.constant(pixels[None]))
    record = loaded.signatures["serving_examples"](examples=tf.constant([record]))
    for key, value in encoded.items():
        np.testing.assert_array_equal(value, tensor[key])
        np.testing.assert_array_equal(value, record[key])


def test_names_types_and_shapes_are_the_contract(loaded):
    spec = loaded.signatures["serving_default"].structured_outputs
    assert {key: (value.dtype, value.shape.rank) for key, value in spec.items()} == {
        "num_detections": (tf.int32, 1),
        "scores": (tf.float32, 2),
        "category_ids": (tf.int64, 2),
        "class_names": (tf.string, 2),
        "boxes": (tf.float32, 3),
        "masks_rle": (tf.string, 2),
        "image_size": (tf.int32, 2),
    }
    inputs = {
        name: {
            key: value.dtype
            for key, value in signature.structured_input_signature[1].items()
        }
        for name, signature in loaded.signatures.items()
    }
    assert inputs == {
        "serving_default": {"image_bytes": tf.string},
        "serving_tensor": {"images": tf.uint8},
        "serving_examples": {"examples": tf.string},
    }


def test_what_is_no_detection_is_padding(loaded, colour_model):
    black = colour_model.encode_png(colour_model.picture([]))
    found = loaded.signatures["serving_default"](image_bytes=tf.constant([black]))
    assert found["num_detections"].numpy().tolist() == [0]
    assert found["category_ids"].numpy().tolist() == [[-1] * 5]
    assert found["class_names"].numpy().tolist() == [[b""] * 5]
    assert found["scores"].numpy().tolist() == [[0.0] * 5]


def test_a_batch_mixes_sizes_and_keeps_rows_apart(loaded, png, colour_model):
    large = colour_model.picture([(7, 8, 16, 24, 32)], size=(64, 128))
    images = tf.constant([png, colour_model.encode_png(large)])
    detect = loaded.signatures["serving_default"]
    together = detect(image_bytes=images)
    assert together["image_size"].numpy().tolist() == [[32, 32], [64, 128]]
    assert together["category_ids"].numpy()[1, 0] == 7
    for row in (0, 1):
        alone = detect(image_bytes=images[row : row + 1])
        np.testing.assert_allclose(
            together["scores"][row], alone["scores"][0], rtol=1e-5
        )


def test_only_operations_of_tensorflow_are_in_the_graph(exported):
    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((exported / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0].graph_def
    used = {node.op for node in graph.node}
    for function in graph.library.function:
        used |= {node.op for node in function.node_def}
    called = {function.signature.name for function in graph.library.function}
    assert "UnicodeEncode" in used  # the functions really were looked through
    assert not {op for op in used if "PyFunc" in op}
    known = set(dir(tf.raw_ops))
    assert {op for op in used if op not in known} <= called


_CHILD = """
import sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
image = tf.io.read_file(sys.argv[2])
found = loaded.signatures["serving_default"](image_bytes=image[None])
assert not {"model", "pipeline", "components"} & set(sys.modules)
print(sorted(found["category_ids"].numpy()[0, :2].tolist()))
"""


def test_needs_nothing_but_tensorflow_to_serve(exported, png, tmp_path):
    image = tmp_path / "image.png"
    image.write_bytes(png)
    arguments = [sys.executable, "-I", "-c", _CHILD, str(exported), str(image)]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n")[-2] == "[3, 22]"


def test_categories_and_info_travel_with_the_model(exported, colour_model):
    extra = exported / "assets.extra"
    assert categories.read_table(extra / "categories.json") == colour_model.CATEGORIES
    assert json.loads((extra / "info.json").read_text()) == {"name": "colours"}


class KerasNetwork(keras.Model):
    """One 1x1 convolution of 4x4 blocks, to masks of three queries."""

    def __init__(self):
        super().__init__()
        self.pool = keras.layers.AveragePooling2D(4)
        self.masks = keras.layers.Conv2D(3, 1, bias_initializer="ones")
        self.norm = keras.layers.BatchNormalization()

    def call(self, image, training=False):
        masks = self.norm(self.masks(self.pool(image)), training=training)
        classes = tf.tile(tf.eye(4)[None, :3], [tf.shape(image)[0], 1, 1])
        return {
            "class_logits": (classes,),
            "mask_logits": (tf.transpose(masks, [0, 3, 1, 2]),),
        }


def test_every_weight_of_a_keras_model_is_saved(tmp_path, colour_model):
    network = KerasNetwork()
    network(tf.zeros([1, 32, 32, 3]), training=False)
    rng = np.random.default_rng(0)
    network.set_weights([rng.uniform(0.1, 1, w.shape) for w in network.get_weights()])
    module = export.ServingModule(
        network,
        colour_model.PixelTransform(colour_model.DATA),
        colour_model.CATEGORIES,
        4,
    )
    images = tf.constant(rng.integers(0, 255, [2, 32, 32, 3], np.uint8))
    before = module.detect_pixels(images)
    export.save(module, tmp_path / "saved", {})
    del network, module
    keras.backend.clear_session()
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    after = loaded.signatures["serving_tensor"](images=images)
    stored = tf.train.list_variables(str(tmp_path / "saved/variables/variables"))
    shapes = [shape for name, shape in stored if "VARIABLE_VALUE" in name]
    assert sum(int(np.prod(shape)) for shape in shapes) >= 12 + 4 * 3
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key])


def test_a_swin_answers_at_every_size_as_before_it_was_saved(
    tmp_path, colour_model, tiny_model_config, small_swin
):
    settings = tiny_model_config.model_copy(update={"backbone": small_swin})
    network = mask2former.build(settings, len(colour_model.CATEGORIES))
    transform = colour_model.PixelTransform(colour_model.DATA)
    module = export.ServingModule(network, transform, colour_model.CATEGORIES, 3)
    export.save(module, tmp_path / "saved", {})
    answer = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_tensor"]
    rng = np.random.default_rng(0)
    for batch, height, width in ((1, 32, 32), (2, 32, 64), (1, 50, 20)):
        images = tf.constant(rng.integers(0, 255, [batch, height, width, 3], np.uint8))
        found = answer(images=images)
        before = module.detect_pixels(images)
        np.testing.assert_allclose(found["scores"], before["scores"], atol=1e-5)
        assert found["scores"].shape == (batch, 3)
        assert float(tf.reduce_max(found["scores"])) > 0
