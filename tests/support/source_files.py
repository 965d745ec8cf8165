"""Files of every source for tests, and what the records made of them hold."""

import base64
import io
import json

import numpy as np
from PIL import Image

from model.examples import features

HEIGHT, WIDTH = 16, 12
SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]


def square():
    expected = np.zeros([HEIGHT, WIDTH], np.uint8)
    expected[3:8, 2:6] = 1
    return expected


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def picture(number):
    """Bytes of a picture that no other number gives."""
    return png(np.full([HEIGHT, WIDTH, 3], 20 * number, np.uint8))


def put(root, place, content):
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    path.write_bytes(content)


def column_by_column(runs):
    values = np.repeat(np.arange(runs.size) % 2, runs)
    return values.reshape(WIDTH, HEIGHT).T


def stored(ingested):
    """File name -> pairs of class name and mask, over both splits."""
    found = {}
    for split in ("train", "eval"):
        for example in ingested.examples(split):
            ends = np.cumsum(example[features.NUM_RUNS])
            runs = np.split(example[features.RUN_LENGTHS], ends[:-1])
            masks = [column_by_column(each) for each in runs] if ends.size else []
            names = [name.decode() for name in example[features.CATEGORY_NAME]]
            pairs = list(zip(names, masks, strict=True))
            found[example[features.IMAGE_FILENAME].decode()] = pairs
    return found


def found_problems(ingested):
    return {
        kind: entry["count"]
        for kind, entry in ingested.summary["problems"].items()
        if entry["count"]
    }


def labelme(root, name, shapes, data=None):
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": f"{name}.png",
        "imageData": None if data is None else base64.b64encode(data).decode(),
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }
    put(root, f"{name}.json", content)


RECTANGLE = {"label": "square", "points": [[2, 3], [6, 8]], "shape_type": "rectangle"}


def coco(images, annotations, categories=({"id": 5, "name": "square"},)):
    return {
        "images": images,
        "annotations": annotations,
        "categories": list(categories),
    }


def entry(image_id, **others):
    return {"id": image_id, "height": HEIGHT, "width": WIDTH, **others}


def row(annotation_id, image_id, category_id=5, segmentation=SQUARE, **others):
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": segmentation,
        **others,
    }
