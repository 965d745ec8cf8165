"""A folder as LabelMe leaves it, for tests."""

import json
import pathlib

import numpy as np
from PIL import Image

from components.coco_example_gen import ingest_settings, problems
from components.coco_example_gen.read import labelme, layouts

HEIGHT, WIDTH = 16, 12
SQUARE = {"label": "square", "points": [[2, 3], [6, 8]], "shape_type": "rectangle"}
POLYGON = [[2, 3, 6, 3, 6, 8, 2, 8]]


class LabelMeFolder:
    """Writes pictures and the files that LabelMe saves beside them."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        root.mkdir()

    def picture(self, place: str, height=HEIGHT, width=WIDTH, **save) -> bytes:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full([height, width, 3], 90, np.uint8)).save(path, **save)
        return path.read_bytes()

    def file(self, place: str, **changes) -> dict:
        """A LabelMe file; its picture is named like it unless `changes` say."""
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": [SQUARE],
            "imagePath": path.with_suffix(".png").name,
            "imageData": None,
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
            **changes,
        }
        content = {key: value for key, value in content.items() if value != "absent"}
        path.write_text(json.dumps(content))
        return content

    def pair(self, name: str, **changes) -> None:
        self.picture(f"{name}.png")
        self.file(f"{name}.json", **changes)

    def read(self, **settings):
        layout = layouts.detect(self.root)
        assert layout.name == "labelme"
        log = problems.ProblemLog()
        found = ingest_settings.IngestSettings(**settings)
        return labelme.read(layout, found, log), log


def told(log):
    return [(each.kind, each.file, each.message) for each in log.examples]


def files(content):
    return {image.id: image.file_name for image in content.images}
