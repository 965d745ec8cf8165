"""A folder in the COCO panoptic format, for tests."""

import json
import pathlib

import numpy as np
from PIL import Image

from components.coco_example_gen import problems
from components.coco_example_gen.read import layouts, panoptic

HEIGHT, WIDTH = 9, 14
CAT, DOG, SKY = 17, 18, 187
CATEGORIES = [
    {"id": CAT, "name": "cat", "isthing": 1},
    {"id": DOG, "name": "dog", "isthing": 1},
    {"id": SKY, "name": "sky", "isthing": 0},
]
# Ids that need each of the three bytes of a colour.
IDS = {"cat": 7, "crowd": 2 + 256 * 40, "sky": 65536 * 3}


def hand_drawn():
    masks = {name: np.zeros([HEIGHT, WIDTH], bool) for name in IDS}
    masks["cat"][2:5, 3:9] = True
    masks["crowd"][6:, :4] = True
    masks["crowd"][6:, 10:] = True
    masks["sky"][0] = True
    return masks


class PanopticFolder:
    """Writes one image with a cat, a crowd of dogs and the sky."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.segments = [
            {"id": IDS["sky"], "category_id": SKY, "iscrowd": 0, "area": 14},
            {
                "id": IDS["cat"],
                "category_id": CAT,
                "iscrowd": 0,
                "area": 18,
                "bbox": [3, 2, 6, 3],
            },
            {"id": IDS["crowd"], "category_id": DOG, "iscrowd": 1, "area": 24},
        ]
        (root / "annotations" / "panoptic_train").mkdir(parents=True)
        (root / "train").mkdir()
        Image.new("RGB", (WIDTH, HEIGHT)).save(root / "train" / "5.png")
        self.segment_png = root / "annotations" / "panoptic_train" / "5.png"
        self.png(hand_drawn())

    def png(self, masks):
        colours = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
        for name, mask in masks.items():
            colours[mask] = [IDS[name] >> shift & 255 for shift in (0, 8, 16)]
        Image.fromarray(colours).save(self.segment_png)

    def write(self, **changes):
        content = {
            "images": [
                {"id": 5, "file_name": "5.png", "height": HEIGHT, "width": WIDTH}
            ],
            "annotations": [
                {"image_id": 5, "file_name": "5.png", "segments_info": self.segments}
            ],
            "categories": CATEGORIES,
            **changes,
        }
        path = self.root / "annotations" / "panoptic_train.json"
        path.write_text(json.dumps(content))

    def read(self):
        layout = layouts.detect(self.root)
        log = problems.ProblemLog()
        return panoptic.read(layout, layout.train, log, 10**6), log
