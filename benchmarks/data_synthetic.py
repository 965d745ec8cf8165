"""Makes COCO folders of any size: photos' density of objects, small pictures."""

import io
import json
import pathlib
from collections.abc import Iterator
from typing import TextIO

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 160, 120
OBJECTS_AN_IMAGE = 7  # COCO train2017 has 7.3
NUM_CLASSES = 80
_DIFFERENT = 64  # pictures and outlines, used in turn
_EVAL_IMAGES = 20  # enough for every class


def write(folder: pathlib.Path, num_images: int, corners: int = 24) -> None:
    """Writes a train split of `num_images` and a small eval split.

    Every picture is a file of its own and no two have equal bytes.

    Args:
        corners: of the polygon of each object.
    """
    for split, number in (("train2017", num_images), ("val2017", _EVAL_IMAGES)):
        (folder / split).mkdir(parents=True)
        for image_id, content in enumerate(_pictures(split, number), start=1):
            (folder / split / _name(image_id)).write_bytes(content)
        write_annotations(
            folder / f"annotations/instances_{split}.json",
            number,
            OBJECTS_AN_IMAGE * number,
            corners,
        )


def write_annotations(
    path: pathlib.Path, num_images: int, num_annotations: int, corners: int
) -> None:
    """Writes an instances file row by row; annotations go round the images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.write('{"info": {}, "images": [')
        _write_rows(file, (_image_row(i) for i in range(1, num_images + 1)))
        file.write('], "annotations": [')
        _write_rows(file, _annotation_rows(num_images, num_annotations, corners))
        file.write('], "categories": ')
        names = [{"id": i, "name": f"class {i}"} for i in range(1, NUM_CLASSES + 1)]
        file.write(f"{json.dumps(names)}}}")


def _write_rows(file: TextIO, rows: Iterator[str]) -> None:
    separator = ""
    for row in rows:
        file.write(separator + row)
        separator = ", "


def _name(image_id: int) -> str:
    return f"{image_id:012d}.jpg"


def _image_row(image_id: int) -> str:
    """The keys that COCO's own files have."""
    return json.dumps(
        {
            "license": 1,
            "file_name": _name(image_id),
            "coco_url": f"http://images.example.org/train2017/{_name(image_id)}",
            "height": HEIGHT,
            "width": WIDTH,
            "date_captured": "2013-11-14 11:18:45",
            "flickr_url": f"http://farm.example.org/{image_id:010d}_z.jpg",
            "id": image_id,
        }
    )


def _annotation_rows(
    num_images: int, num_annotations: int, corners: int
) -> Iterator[str]:
    # Most of a row is the same for every 64th one, and is made once.
    outlines = [_outline(seed, corners) for seed in range(_DIFFERENT)]
    for index in range(num_annotations):
        ids = (
            f'"image_id": {index % num_images + 1}, '
            f'"category_id": {index % NUM_CLASSES + 1}, "id": {index + 1}'
        )
        yield f"{{{outlines[index % _DIFFERENT]}, {ids}}}"


def _outline(seed: int, corners: int) -> str:
    """JSON of segmentation, bbox, area and iscrowd of a wavy disk."""
    rng = np.random.default_rng(seed)
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radius = rng.uniform(8, 25) * (1 + 0.2 * np.sin(rng.integers(2, 6) * turn))
    x = rng.uniform(32, WIDTH - 32) + radius * np.cos(turn)
    y = rng.uniform(32, HEIGHT - 32) + radius * np.sin(turn)
    points = np.stack([x, y], axis=1).round(2)
    left, top = points.min(axis=0)
    right, bottom = points.max(axis=0)
    area = abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
    row = {
        "segmentation": [points.ravel().tolist()],
        "area": round(float(area), 4),
        "iscrowd": 0,
        "bbox": [round(float(v), 2) for v in (left, top, right - left, bottom - top)],
    }
    return json.dumps(row)[1:-1]


def _pictures(split: str, number: int) -> Iterator[bytes]:
    """JPEGs of smooth noise; a comment makes each one different."""
    drawn = []
    for seed in range(_DIFFERENT):
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 256, [HEIGHT // 8, WIDTH // 8, 3], np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((WIDTH, HEIGHT)).save(buffer, format="JPEG")
        drawn.append(buffer.getvalue())
    for index in range(number):
        text = f"{split} {index}".encode()
        comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
        picture = drawn[index % _DIFFERENT]
        yield picture[:2] + comment + picture[2:]
