"""Small sound datasets in memory, of every format: what the fuzzer starts from.

A dataset is a dictionary of path -> content: bytes, or what a JSON file holds.
"""

import base64
import io
import random

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = 16, 12
Dataset = dict[str, object]

_FORMATS = (
    ("jpg", "JPEG", "RGB", {}),
    ("jpg", "JPEG", "RGB", {"progressive": True}),
    ("jpg", "JPEG", "L", {}),
    ("jpg", "JPEG", "CMYK", {}),
    ("png", "PNG", "RGB", {}),
    ("png", "PNG", "P", {}),
    ("png", "PNG", "RGBA", {}),
    ("png", "PNG", "I;16", {}),
    ("webp", "WEBP", "RGB", {}),
    ("tif", "TIFF", "RGB", {}),
    ("tif", "TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("bmp", "BMP", "RGB", {}),
    ("gif", "GIF", "P", {}),
    ("ppm", "PPM", "RGB", {}),
    ("jp2", "JPEG2000", "RGB", {}),
)
_BOX = (slice(3, 9), slice(2, 7))  # rows, columns of the mask that all seeds share


def make(rng: random.Random) -> Dataset:
    """One dataset of a format that the dice choose."""
    return rng.choice([coco, roboflow, labelme, panoptic])(rng)


def coco(rng: random.Random) -> Dataset:
    """Two splits; polygons and both forms of RLE."""
    return {
        **_split(rng, "train", "annotations/instances_train.json", range(1, 5)),
        **_split(rng, "val", "annotations/instances_val.json", range(11, 13)),
    }


def roboflow(rng: random.Random) -> Dataset:
    """Images beside their annotation file, and no eval split."""
    return _split(rng, "train", "train/_annotations.coco.json", range(1, 4))


def labelme(rng: random.Random) -> Dataset:
    """A file for each picture, of every type of shape; one holds its picture."""
    found: Dataset = {}
    box = [[2.0, 3.0], [6.0, 8.0]]
    shapes = [
        {"label": "car_1", "shape_type": "polygon", "points": [[2, 3], [6, 3], [6, 8]]},
        {"label": "car_2", "shape_type": "rectangle", "points": box},
        {"label": "dog", "shape_type": "circle", "points": [[5, 5], [7, 5]]},
        {"label": "dog", "shape_type": "line", "points": box, "group_id": 1},
        {"label": "cat", "shape_type": "mask", "points": box, "mask": _mask_text()},
    ]
    for index in range(3):
        suffix, content = picture(rng)
        data = base64.b64encode(content).decode() if rng.random() < 0.4 else None
        found[f"{index}.{suffix}"] = content
        found[f"{index}.json"] = {
            "version": "5.2.1",
            "flags": {},
            "shapes": [dict(shape) for shape in shapes],
            "imagePath": f"{index}.{suffix}",
            "imageData": data,
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
        }
    return found


def panoptic(rng: random.Random) -> Dataset:
    """One split; the segments of each image in a PNG of its own."""
    found, annotations = {}, []
    images = []
    for image_id in range(1, 4):
        suffix, content = picture(rng)
        found[f"train/{image_id}.{suffix}"] = content
        found[f"annotations/panoptic_train/{image_id}.png"] = _segments()
        images.append(_entry(image_id, f"{image_id}.{suffix}"))
        segments = [
            {"id": 7, "category_id": 1, "iscrowd": 0, "area": 30, "bbox": [2, 3, 5, 6]},
            {"id": 8, "category_id": 2, "iscrowd": 0, "area": 9, "bbox": [0, 0, 9, 1]},
        ]
        annotations.append(
            {
                "image_id": image_id,
                "file_name": f"{image_id}.png",
                "segments_info": segments,
            }
        )
    categories = [
        {"id": 1, "name": "car", "isthing": 1},
        {"id": 2, "name": "sky", "isthing": 0},
    ]
    found["annotations/panoptic_train.json"] = {
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    return found


def picture(rng: random.Random) -> tuple[str, bytes]:
    """Suffix and content of a noisy picture of a format that the dice choose."""
    suffix, name, mode, options = rng.choice(_FORMATS)
    pixels = np.random.default_rng(rng.getrandbits(32)).integers(
        0, 256, [HEIGHT, WIDTH, 3], np.uint8
    )
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 256)
    buffer = io.BytesIO()
    (image if mode == "I;16" else image.convert(mode)).save(
        buffer, format=name, **options
    )
    return suffix, buffer.getvalue()


def _split(rng: random.Random, folder: str, file: str, image_ids: range) -> Dataset:
    found: Dataset = {}
    images, annotations = [], []
    for image_id in image_ids:
        suffix, content = picture(rng)
        found[f"{folder}/{image_id}.{suffix}"] = content
        images.append(_entry(image_id, f"{image_id}.{suffix}"))
        for segmentation in _segmentations():
            annotations.append(
                {
                    "id": 100 * image_id + len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": rng.randint(1, 2),
                    "iscrowd": int(isinstance(segmentation, dict)),
                    "segmentation": segmentation,
                    "bbox": [2, 3, 5, 6],
                    "area": 30,
                }
            )
    found[file] = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "dog"}],
    }
    return found


def _entry(image_id: int, file_name: str) -> dict[str, object]:
    return {"id": image_id, "file_name": file_name, "height": HEIGHT, "width": WIDTH}


def _mask() -> np.ndarray:
    mask = np.zeros([HEIGHT, WIDTH], np.uint8)
    mask[_BOX] = 1
    return mask


def _segmentations() -> list[object]:
    compressed = coco_mask.encode(np.asfortranarray(_mask()))["counts"].decode()
    flat = _mask().ravel(order="F")
    ends = [*np.flatnonzero(np.diff(flat)) + 1, flat.size]
    counts = np.diff([0, *ends]).tolist()
    size = [HEIGHT, WIDTH]
    return [
        [[2, 3, 7, 3, 7, 9, 2, 9], [1, 1, 3, 1, 3, 2]],
        {"size": size, "counts": counts},
        {"size": size, "counts": compressed},
    ]


def _mask_text() -> str:
    return base64.b64encode(_png(_mask()[_BOX] * 255)).decode()


def _segments() -> bytes:
    ids = np.full([HEIGHT, WIDTH, 3], 0, np.uint8)
    ids[..., 0] = np.where(_mask() == 1, 7, 8)
    return _png(ids)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
