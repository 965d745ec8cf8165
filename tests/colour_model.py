"""A served model whose every answer can be told by hand, and data for it.

The network has one query a colour. A 4x4 block is inside a query's mask when it is
within 60 levels of the colour, and the query is of its colour's class when it has any
block. Mask logits are 5 inside and -5 outside, so that bilinear resizing puts the edge
exactly between blocks; it takes only the corner pixel off each corner.
Tests reach it through the fixture `colour_model`.
"""

import pathlib

import numpy as np
import tensorflow as tf
from pycocotools import mask as coco_mask

from model import image_sections
from model.examples import categories, features, mask_rle, preprocessing
from model.serve import export

RED, GREEN, BLUE = (230, 20, 20), (20, 230, 20), (20, 20, 230)
CATEGORIES = [
    categories.Category(3, "red thing", 5),
    categories.Category(7, "green thing", 4),
    categories.Category(22, "blue thing", 3),
]
COLOURS = {3: RED, 7: GREEN, 22: BLUE}
DATA = image_sections.ImageConfig(short_side=32, long_side=64, pad_multiple=32)


class ColourNetwork(tf.Module):
    """Scores every 4x4 block against every colour."""

    def __init__(self, colours, num_classes):
        super().__init__()
        self.colours = tf.Variable(tf.constant(colours, tf.float32))  # [Q, 3]
        self.num_classes = num_classes

    def __call__(self, image, training):
        blocks = tf.nn.avg_pool2d(image, 4, 4, "VALID")  # [B, h, w, 3]
        distance = tf.reduce_sum(
            tf.abs(blocks[:, None] - self.colours[:, None, None]), axis=-1
        )
        masks = tf.where(distance < 60.0, 5.0, -5.0)  # [B, Q, h, w]
        present = tf.reduce_max(masks, axis=[2, 3]) > 0.0  # [B, Q]
        nothing = tf.one_hot(self.num_classes, self.num_classes + 1)
        classes = tf.where(
            present[..., None], tf.eye(self.num_classes + 1)[:-1], nothing
        )
        return {"class_logits": (20.0 * classes,), "mask_logits": (masks,)}


class PixelTransform(tf.Module):
    """The preprocessing of the pipeline without a normalisation."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def from_encoded(self, encoded):
        return preprocessing.encoded_to_network(
            encoded, self.data, tf.zeros([3]), tf.ones([3])
        )

    def from_pixels(self, images):
        return preprocessing.pixels_to_network(
            images, self.data, tf.zeros([3]), tf.ones([3])
        )


def module(colours=(RED, GREEN, BLUE), max_detections=5):
    """Serves the colour network; `colours` follow the order of `CATEGORIES`."""
    network = ColourNetwork(colours, len(CATEGORIES))
    return export.ServingModule(
        network, PixelTransform(DATA), CATEGORIES, max_detections
    )


def save(folder: pathlib.Path, colours=(RED, GREEN, BLUE)) -> pathlib.Path:
    """Exports it once; later calls find it there."""
    if not (folder / "saved_model.pb").exists():
        export.save(module(colours), folder, {"name": "colours"})
    return folder


def picture(shapes, size=(32, 32)):
    """Black uint8 [H, W, 3] with `(category_id, top, left, height, width)` boxes."""
    pixels = np.zeros([*size, 3], np.uint8)
    for category_id, top, left, height, width in shapes:
        pixels[top : top + height, left : left + width] = COLOURS[category_id]
    return pixels


def encode_png(pixels) -> bytes:
    return tf.io.encode_png(pixels).numpy()


def box_mask(size, top, left, height, width):
    mask = np.zeros(size, np.uint8)
    mask[top : top + height, left : left + width] = 1
    return mask


def rle(mask):
    coded = coco_mask.encode(np.asfortranarray(mask))
    return {"size": list(mask.shape), "counts": coded["counts"].decode("ascii")}


def example(image_id, pixels, shapes, crowds=(), first_annotation_id=1) -> bytes:
    """Serialized tf.Example; `shapes` as in `picture`, `crowds` their positions."""
    height, width = pixels.shape[:2]
    names = {each.category_id: each.name for each in CATEGORIES} | {99: "unknown"}
    masks = [box_mask((height, width), *shape[1:]) for shape in shapes]
    runs = [mask_rle.runs_from_mask(mask) for mask in masks]
    boxes = np.array(
        [mask_rle.box_xywh_px(each, height) for each in runs], np.float32
    ).reshape(-1, 4)
    values = {
        features.IMAGE_ENCODED: [encode_png(pixels)],
        features.IMAGE_FORMAT: [b"png"],
        features.IMAGE_FILENAME: [f"{image_id}.png".encode()],
        features.IMAGE_SHA256: [b"0" * 64],
        features.IMAGE_ID: [image_id],
        features.IMAGE_HEIGHT: [height],
        features.IMAGE_WIDTH: [width],
        features.ANNOTATION_ID: [first_annotation_id + n for n in range(len(shapes))],
        features.CATEGORY_ID: [shape[0] for shape in shapes],
        features.CATEGORY_NAME: [names[shape[0]].encode() for shape in shapes],
        features.BOX_XMIN: boxes[:, 0] / width,
        features.BOX_XMAX: (boxes[:, 0] + boxes[:, 2]) / width,
        features.BOX_YMIN: boxes[:, 1] / height,
        features.BOX_YMAX: (boxes[:, 1] + boxes[:, 3]) / height,
        features.AREA: [float(mask.sum()) for mask in masks],
        features.IS_CROWD: [int(n in crowds) for n in range(len(shapes))],
        features.NUM_RUNS: [each.size for each in runs],
        features.RUN_LENGTHS: [int(run) for each in runs for run in each],
    }
    feature = {key: _feature(key, value) for key, value in values.items()}
    proto = tf.train.Example(features=tf.train.Features(feature=feature))
    return proto.SerializeToString()


def write_split(folder: pathlib.Path, records) -> pathlib.Path:
    """Writes records as the example generator does and returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data_tfrecord-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)
    return path


def _feature(key, values):
    if key in (features.BOX_XMIN, features.BOX_XMAX, features.BOX_YMIN):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if key in (features.BOX_YMAX, features.AREA):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if key == features.CATEGORY_NAME or (values and isinstance(values[0], bytes)):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
