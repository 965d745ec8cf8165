"""Small stored examples and networks for the tests of this folder."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from model import config
from model.examples import features, mask_rle
from model.network import swin


def _feature(values):
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _serialize(image, masks, category_ids, crowds=None, image_id=1) -> bytes:
    """One stored example: uint8 [H, W] or [H, W, 3], list of uint8 [H, W], ids."""
    image = np.atleast_3d(image)
    runs = [mask_rle.runs_from_mask(mask) for mask in masks]
    count = len(masks)
    values = {
        features.IMAGE_ENCODED: [tf.io.encode_png(image).numpy()],
        features.IMAGE_FORMAT: [b"png"],
        features.IMAGE_FILENAME: [f"{image_id}.png".encode()],
        features.IMAGE_ID: [image_id],
        features.IMAGE_HEIGHT: [image.shape[0]],
        features.IMAGE_WIDTH: [image.shape[1]],
        features.IMAGE_SHA256: [b""],
        features.ANNOTATION_ID: list(range(1, count + 1)),
        features.CATEGORY_ID: list(category_ids),
        features.CATEGORY_NAME: [b"thing"] * count,
        features.IS_CROWD: list(crowds or [0] * count),
        features.AREA: [float(mask.sum()) for mask in masks],
        features.NUM_RUNS: [len(each) for each in runs],
        features.RUN_LENGTHS: [int(run) for each in runs for run in each],
    }
    for key in (
        features.BOX_XMIN,
        features.BOX_XMAX,
        features.BOX_YMIN,
        features.BOX_YMAX,
    ):
        values[key] = [0.0] * count
    stored = {key: _feature(value) for key, value in values.items() if value}
    example = tf.train.Example(features=tf.train.Features(feature=stored))
    return example.SerializeToString()


@pytest.fixture(autouse=True)
def same_initial_weights():
    """Layers made in a test start from the same weights every time."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def serialize_example():
    """The function that makes a stored example of pixels and masks."""
    return _serialize


@pytest.fixture(scope="session")
def write_records():
    """The function that writes serialized examples to a TFRecord file."""

    def write(path: pathlib.Path, examples: list[bytes]) -> str:
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for example in examples:
                writer.write(example)
        return str(path)

    return write


@pytest.fixture(scope="session")
def tiny_model_config():
    """The smallest network that has every part."""
    return config.ModelConfig.model_validate(
        {
            "backbone": {"depth": 18, "stem_width": 4, "norm": "group"},
            "pixel_decoder": {
                "channels": 8,
                "num_encoder_layers": 1,
                "num_heads": 2,
                "num_points": 1,
                "feedforward_channels": 8,
                "norm_groups": 2,
            },
            "decoder": {
                "channels": 8,
                "num_queries": 3,
                "num_layers": 1,
                "num_heads": 2,
                "feedforward_channels": 8,
                "mask_channels": 8,
            },
        }
    )


@pytest.fixture(scope="session")
def small_model_config():
    """A network with more of everything than one, still fast."""
    return config.ModelConfig.model_validate(
        {
            "backbone": {"depth": 18, "stem_width": 4, "norm": "group"},
            "pixel_decoder": {
                "channels": 16,
                "num_encoder_layers": 1,
                "num_heads": 2,
                "num_points": 2,
                "feedforward_channels": 16,
                "norm_groups": 4,
            },
            "decoder": {
                "channels": 16,
                "num_queries": 4,
                "num_layers": 2,
                "num_heads": 2,
                "feedforward_channels": 16,
                "mask_channels": 16,
            },
        }
    )


@pytest.fixture
def small_swin(monkeypatch):
    """Settings of a Swin of few channels, while the test runs."""
    size = swin.Size(8, (2, 2, 2, 2), (1, 1, 2, 2), 3)
    monkeypatch.setitem(swin.SIZES, "swin_tiny", size)
    return config.BackboneConfig(name="swin_tiny", drop_path=0.5)
