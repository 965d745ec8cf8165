"""Ingested records say what pycocotools reads from the original file, and score 1."""

import contextlib
import io
import os
import pathlib

import numpy as np
import pytest
from pycocotools import coco
from pycocotools import mask as coco_mask

from components.coco_example_gen.read import layouts
from model.evaluation import coco_metrics, ground_truth
from model.examples import features
from pipeline.toy import toy_coco

# Folders of real data, separated by colons, for the slow test below.
FOLDERS = os.environ.get("M2F_TEST_DATA", "")


def originals(root):
    """pycocotools' view of every annotation file of a folder."""
    files = [s.annotation_file for s in layouts.detect(root).sources().values()]
    with contextlib.redirect_stdout(io.StringIO()):
        return [coco.COCO(str(file)) for file in files]


def check_stored(ingested, root):
    """Masks, areas, boxes, classes and flags of every record, against pycocotools."""
    seen = 0
    files = originals(root)
    for split, original in (("train", files[0]), ("eval", files[-1])):
        truth = ground_truth.from_records(ingested.files(split))
        ids = [
            annotation_id
            for example in ingested.examples(split)
            for annotation_id in example[features.ANNOTATION_ID].tolist()
        ]
        for annotation_id, found in zip(ids, truth["annotations"], strict=True):
            check_annotation(found, original, annotation_id)
        seen += len(ids)
    assert seen == sum(len(original.anns) for original in files)
    return seen


def check_annotation(found, original, annotation_id):
    wanted = original.anns[annotation_id]
    rle = original.annToRLE(wanted)
    mask = coco_mask.decode(rle)
    np.testing.assert_array_equal(coco_mask.decode(found["segmentation"]), mask)
    assert found["area"] == coco_mask.area(rle) == mask.sum()
    assert found["bbox"] == coco_mask.toBbox(rle).tolist()
    for key in ("image_id", "category_id", "iscrowd"):
        assert found[key] == wanted[key]


def score_truth_as_predictions(ingested, root):
    """AP of the original eval annotations, crowds too, against the stored ones."""
    original = originals(root)[-1]
    truth = ground_truth.from_records(ingested.files("eval"))
    images = {image["id"] for image in truth["images"]}
    results = []
    for annotation in original.anns.values():
        if annotation["image_id"] not in images:
            continue
        rle = original.annToRLE(annotation)
        results.append(
            {
                "image_id": annotation["image_id"],
                "category_id": annotation["category_id"],
                "segmentation": rle,
                "bbox": coco_mask.toBbox(rle).tolist(),
                "score": 1.0,
            }
        )
    return coco_metrics.evaluate(truth, results)


def test_records_of_generated_data_are_the_original_and_score_one(tmp_path, ingest):
    root = toy_coco.generate(tmp_path / "toy", 12, 8, size=64)
    ingested = ingest(root)
    assert check_stored(ingested, root) > 40
    metrics = score_truth_as_predictions(ingested, root)
    assert metrics.num_detections > metrics.num_objects  # crowds were predicted too
    assert metrics.mask_ap == metrics.box_ap == metrics.mask_ar == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS.split(":") if FOLDERS else [])
def test_records_of_real_data_are_the_original_and_score_one(folder, ingest):
    root = pathlib.Path(folder)
    ingested = ingest(root)
    num_annotations = check_stored(ingested, root)
    metrics = score_truth_as_predictions(ingested, root)
    print(f"{root.name}: {num_annotations} annotations, {metrics.numbers()}")
    assert metrics.mask_ap == metrics.box_ap == 1.0
