import math

import numpy as np
import pytest

from model.evaluation import coco_metrics

CATEGORIES = [{"id": 3, "name": "disk"}, {"id": 7, "name": "box"}]


def image(image_id, height=8, width=8):
    return {"id": image_id, "height": height, "width": width, "file_name": "x.png"}


def mask_of(rows, columns, size=(8, 8)):
    mask = np.zeros(size, np.uint8)
    mask[rows, columns] = 1
    return mask


QUARTER = mask_of(slice(0, 4), slice(0, 4))


def truth(colour_model, objects, images=(1,), categories=CATEGORIES):
    """Objects are (image_id, category_id, mask) or the same with `iscrowd`."""
    annotations = []
    for number, (image_id, category_id, mask, *crowd) in enumerate(objects, 1):
        annotations.append(
            {
                "id": number,
                "image_id": image_id,
                "category_id": category_id,
                "segmentation": colour_model.rle(mask),
                "bbox": box(mask),
                "area": float(mask.sum()),
                "iscrowd": crowd[0] if crowd else 0,
            }
        )
    return {
        "images": [image(image_id) for image_id in images],
        "annotations": annotations,
        "categories": list(categories),
    }


def results(colour_model, *found):
    """Detections are (image_id, category_id, mask, score)."""
    return [
        {
            "image_id": image_id,
            "category_id": category_id,
            "segmentation": colour_model.rle(mask),
            "bbox": box(mask),
            "score": score,
        }
        for image_id, category_id, mask, score in found
    ]


def box(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return [0.0] * 4
    top, left = int(rows[0]), int(columns[0])
    return [float(v) for v in (left, top, columns[-1] - left + 1, rows[-1] - top + 1)]


def test_ap_counts_only_thresholds_below_the_iou(colour_model):
    guess = QUARTER.copy()
    guess[3, :3] = 0  # IoU 13/16 = 0.8125: a hit at 0.50..0.80, seven of ten
    metrics = coco_metrics.evaluate(
        truth(colour_model, [(1, 3, QUARTER)]),
        results(colour_model, (1, 3, guess, 0.9)),
    )
    assert metrics.mask_ap == pytest.approx(0.7)
    assert metrics.mask_ap50 == pytest.approx(1.0)
    assert metrics.mask_ap75 == pytest.approx(1.0)
    assert metrics.mask_ar == pytest.approx(0.7)
    assert metrics.box_ap == pytest.approx(1.0)  # the box is still 4x4


def test_ground_truth_as_predictions_scores_one(colour_model):
    other = mask_of(slice(4, 8), slice(2, 8))
    objects = [(1, 3, QUARTER), (1, 7, other), (2, 3, other), (2, 7, QUARTER)]
    guesses = [(*each, 0.9 - n / 10) for n, each in enumerate(objects)]
    metrics = coco_metrics.evaluate(
        truth(colour_model, objects, images=(1, 2)), results(colour_model, *guesses)
    )
    assert metrics.mask_ap == pytest.approx(1.0, abs=1e-12)
    assert metrics.box_ap == pytest.approx(1.0, abs=1e-12)
    assert [each.mask_ap for each in metrics.classes] == pytest.approx([1.0, 1.0])


def test_an_image_without_detections_costs_recall(colour_model):
    ground_truth = truth(
        colour_model, [(1, 3, QUARTER), (2, 3, QUARTER)], images=(1, 2)
    )
    metrics = coco_metrics.evaluate(
        ground_truth, results(colour_model, (1, 3, QUARTER, 0.9))
    )
    # Precision is 1 up to recall 0.5: 51 of COCO's 101 recall points.
    assert metrics.mask_ap == pytest.approx(51 / 101)
    assert metrics.mask_ar == pytest.approx(0.5)
    assert metrics.num_images == 2


def test_a_false_alarm_in_an_empty_image_costs_precision(colour_model):
    ground_truth = truth(colour_model, [(1, 3, QUARTER)], images=(1, 2))
    metrics = coco_metrics.evaluate(
        ground_truth,
        results(colour_model, (2, 3, QUARTER, 0.9), (1, 3, QUARTER, 0.8)),
    )
    assert metrics.mask_ap == pytest.approx(0.5)


def test_a_class_the_model_does_not_know_counts_as_zero(colour_model):
    other = mask_of(slice(4, 8), slice(4, 8))
    metrics = coco_metrics.evaluate(
        truth(colour_model, [(1, 3, QUARTER), (1, 7, other)]),
        results(colour_model, (1, 3, QUARTER, 0.9)),
    )
    assert metrics.mask_ap == pytest.approx(0.5)
    assert [each.mask_ap for each in metrics.classes] == pytest.approx([1.0, 0.0])
    assert [each.name for each in metrics.classes] == ["disk", "box"]


def test_a_class_without_objects_is_undefined_and_left_out_of_the_mean(colour_model):
    metrics = coco_metrics.evaluate(
        truth(colour_model, [(1, 3, QUARTER)]),
        results(colour_model, (1, 3, QUARTER, 0.9), (1, 7, QUARTER, 0.9)),
    )
    assert metrics.mask_ap == pytest.approx(1.0)
    assert math.isnan(metrics.classes[1].mask_ap)
    assert metrics.classes[1].num_objects == 0


def test_detections_inside_a_crowd_are_neither_right_nor_wrong(colour_model):
    crowd = mask_of(slice(4, 8), slice(0, 8))
    inside = mask_of(slice(5, 7), slice(1, 3))
    metrics = coco_metrics.evaluate(
        truth(colour_model, [(1, 3, QUARTER), (1, 3, crowd, 1)]),
        results(colour_model, (1, 3, inside, 0.95), (1, 3, QUARTER, 0.9)),
    )
    assert metrics.mask_ap == pytest.approx(1.0)
    assert metrics.num_objects == 1


def test_sizes_are_told_apart_by_the_ground_truth_area(colour_model):
    small = np.zeros([128, 128], np.uint8)
    small[:31, :31] = 1  # 961 px², below 32²
    large = np.zeros([128, 128], np.uint8)
    large[28:, 28:] = 1  # 10,000 px², above 96²
    metrics = coco_metrics.evaluate(
        truth(colour_model, [(1, 3, small), (1, 3, large)]),
        results(colour_model, (1, 3, small, 0.9)),
    )
    assert metrics.mask_ap_small == pytest.approx(1.0)
    assert metrics.mask_ap_large == pytest.approx(0.0)
    assert math.isnan(metrics.mask_ap_medium)


def test_no_detections_score_zero(colour_model):
    metrics = coco_metrics.evaluate(truth(colour_model, [(1, 3, QUARTER)]), [])
    assert metrics.mask_ap == 0.0
    assert metrics.num_detections == 0


def test_no_objects_are_undefined(colour_model):
    metrics = coco_metrics.evaluate(
        truth(colour_model, []), results(colour_model, (1, 3, QUARTER, 0.9))
    )
    assert math.isnan(metrics.mask_ap)


def test_results_of_an_unknown_image_are_refused(colour_model):
    with pytest.raises(ValueError, match=r"\[5\]"):
        coco_metrics.evaluate(
            truth(colour_model, [(1, 3, QUARTER)]),
            results(colour_model, (5, 3, QUARTER, 0.9)),
        )


def test_evaluating_changes_neither_input(colour_model):
    ground_truth = truth(colour_model, [(1, 3, QUARTER)])
    found = results(colour_model, (1, 3, QUARTER, 0.9))
    before = repr(ground_truth), repr(found)
    coco_metrics.evaluate(ground_truth, found)
    assert (repr(ground_truth), repr(found)) == before
