"""The part of a split that is looked at while a network is trained."""

import hashlib
from collections.abc import Iterable


def draw(image_ids: Iterable[int], count: int, seed: int) -> list[int]:
    """So many image ids, ascending; all of them when there are no more.

    Which ones depends on the seed and on the ids alone: other images that come or go
    replace one another and leave the rest.
    """
    by_lot = sorted(image_ids, key=lambda image_id: (_lot(image_id, seed), image_id))
    return sorted(by_lot[:count])


def of_truth(ground_truth: dict, image_ids: Iterable[int]) -> dict:
    """Ground truth, COCO instances, of these images alone; all classes stay."""
    wanted = set(image_ids)
    return {
        **ground_truth,
        "images": [each for each in ground_truth["images"] if each["id"] in wanted],
        "annotations": [
            each for each in ground_truth["annotations"] if each["image_id"] in wanted
        ],
    }


def _lot(image_id: int, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{image_id}".encode()).hexdigest()
