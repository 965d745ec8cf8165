"""What a COCO converter does at its plainest: the other side of `benchmarks.data`.

One process, one tf.Example an image in an uncompressed TFRecord file, every mask drawn
with pycocotools and stored as a PNG; nothing is checked and no image is decoded.
"""

import hashlib
import io
import json
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image
from pycocotools import mask as coco_mask


def convert(
    annotation_file: pathlib.Path, image_folder: pathlib.Path, out: pathlib.Path
) -> int:
    """Writes one TFRecord file.

    Returns:
        How many images it holds.
    """
    content = json.loads(annotation_file.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    by_image: dict[int, list[dict]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    with tf.io.TFRecordWriter(str(out)) as writer:
        for image in content["images"]:
            path = image_folder / image["file_name"]
            example = _example(image, path, by_image[image["id"]], names)
            writer.write(example.SerializeToString())
    return len(content["images"])


def _example(
    image: dict, path: pathlib.Path, annotations: list[dict], names: dict[int, str]
) -> tf.train.Example:
    encoded = path.read_bytes()
    height, width = image["height"], image["width"]
    x, y, box_width, box_height = np.reshape(
        [a["bbox"] for a in annotations], [-1, 4]
    ).T
    category_ids = [annotation["category_id"] for annotation in annotations]
    feature = {
        "image/encoded": _bytes([encoded]),
        "image/format": _bytes([b"jpeg"]),
        "image/filename": _bytes([image["file_name"].encode()]),
        "image/source_id": _bytes([str(image["id"]).encode()]),
        "image/key/sha256": _bytes([hashlib.sha256(encoded).hexdigest().encode()]),
        "image/height": _int64([height]),
        "image/width": _int64([width]),
        "image/object/bbox/xmin": _float(x / width),
        "image/object/bbox/xmax": _float((x + box_width) / width),
        "image/object/bbox/ymin": _float(y / height),
        "image/object/bbox/ymax": _float((y + box_height) / height),
        "image/object/class/label": _int64(category_ids),
        "image/object/class/text": _bytes([names[i].encode() for i in category_ids]),
        "image/object/is_crowd": _int64([a["iscrowd"] for a in annotations]),
        "image/object/area": _float([a["area"] for a in annotations]),
        "image/object/mask": _bytes(
            [_mask_png(a["segmentation"], height, width) for a in annotations]
        ),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


def _mask_png(segmentation: list | dict, height: int, width: int) -> bytes:
    runs = coco_mask.frPyObjects(segmentation, height, width)
    mask = coco_mask.decode(runs)
    if mask.ndim == 3:  # one for each polygon
        mask = mask.max(axis=2)
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, format="PNG")
    return buffer.getvalue()


def _bytes(values: list[bytes]) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _int64(values: list[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _float(values: list[float] | np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))
