"""Rebuilds the COCO ground truth from stored examples."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from model.examples import categories, features, mask_rle, record_files


def from_records(
    files: Sequence[str], known: Iterable[categories.Category] = ()
) -> dict:
    """Makes a COCO instances dictionary of every stored image.

    Crowds are kept with `iscrowd` 1, masks are compressed RLE, and annotations are
    numbered from 1, because pycocotools takes an id of 0 for "unmatched".

    Args:
        known: classes of the model, listed even when the split has none of them.
    """
    names = {category.category_id: category.name for category in known}
    images, annotations = [], []
    for record in record_files.annotations(files):
        image = _image(record)
        images.append(image)
        for found in _annotations(record, image):
            found["id"] = len(annotations) + 1
            annotations.append(found)
        names |= _names(record)
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": key, "name": names[key]} for key in sorted(names)],
    }


def _image(record: Mapping) -> dict:
    return {
        "id": int(record[features.IMAGE_ID]),
        "height": int(record[features.IMAGE_HEIGHT]),
        "width": int(record[features.IMAGE_WIDTH]),
        "file_name": record[features.IMAGE_FILENAME].decode("utf-8"),
    }


def _annotations(record: dict[str, np.ndarray], image: dict) -> list[dict]:
    height, width = image["height"], image["width"]
    ends = np.cumsum(record[features.NUM_RUNS])
    per_object = np.split(record[features.RUN_LENGTHS], ends[:-1]) if ends.size else []
    return [
        {
            "image_id": image["id"],
            "category_id": int(record[features.CATEGORY_ID][index]),
            "iscrowd": int(record[features.IS_CROWD][index]),
            "segmentation": mask_rle.to_coco_rle(runs, height, width),
            "bbox": [float(v) for v in mask_rle.box_xywh_px(runs, height)],
            "area": float(mask_rle.area(runs)),
        }
        for index, runs in enumerate(per_object)
    ]


def _names(record: dict[str, np.ndarray]) -> dict[int, str]:
    ids, names = record[features.CATEGORY_ID], record[features.CATEGORY_NAME]
    return {
        int(key): name.decode("utf-8") for key, name in zip(ids, names, strict=True)
    }
