"""What the recorder keeps, by what it kept: no PyTorch is needed to read that."""

import numpy as np
import pytest
from scipy import optimize

_WEIGHTS = {"class": 2.0, "mask": 5.0, "dice": 5.0}  # Mask2Former, section 4.1


def test_pairs_are_the_best_ones_for_the_costs_beside_them(recorded):
    counts = recorded["targets/num_instances"]
    costs, pairs = recorded["costs"], recorded["query_index"]  # [B, L, Q, N], [B, L, N]
    assert pairs.shape == (*costs.shape[:2], costs.shape[3])
    for image, prediction in np.ndindex(*pairs.shape[:2]):
        count = counts[image]
        problem = costs[image, prediction, :, :count]
        queries, instances = optimize.linear_sum_assignment(problem)
        chosen = problem[pairs[image, prediction, :count], np.arange(count)]
        assert chosen.sum() == pytest.approx(problem[queries, instances].sum())
        assert (pairs[image, prediction, count:] == -1).all()
        assert np.isnan(costs[image, prediction, :, count:]).all()


def test_the_total_is_the_weighted_sum_of_the_terms_of_all_predictions(recorded):
    terms = [weight * recorded[f"loss/{term}"] for term, weight in _WEIGHTS.items()]
    assert np.shape(terms) == (3, len(recorded["class_logits"]))
    assert recorded["loss/total"].item() == pytest.approx(np.sum(terms), rel=1e-5)


def test_every_prediction_has_terms_of_its_own(recorded):
    # A call that is counted for another prediction leaves a zero or writes one twice.
    for term in _WEIGHTS:
        values = recorded[f"loss/{term}"]
        assert (values > 0).all() and len(set(values.tolist())) == len(values)


def test_targets_are_padded_with_nothing(recorded):
    masks, classes = recorded["targets/masks"], recorded["targets/class_index"]
    counts = recorded["targets/num_instances"]
    real = np.arange(classes.shape[1]) < counts[:, np.newaxis]
    assert counts.max() == classes.shape[1] and counts.min() < counts.max()
    assert (classes[real] >= 0).all() and (classes[~real] == -1).all()
    assert masks[real].any(axis=(1, 2)).all() and not masks[~real].any()
    assert masks.dtype == np.uint8 and masks.max() == 1


def test_features_have_their_channels_last(recorded):
    _, height, width, channels = recorded["images"].shape
    assert channels == 3
    for stage, stride in zip((2, 3, 4, 5), (4, 8, 16, 32), strict=True):
        shape = recorded[f"backbone/res{stage}"].shape
        assert shape[1:3] == (height // stride, width // stride)
    for level, stride in enumerate((32, 16, 8)):
        shape = recorded[f"pixel_decoder/level_{level}"].shape
        assert shape[1:3] == (height // stride, width // stride)


def test_points_are_in_the_unit_square_and_shared_out_as_the_paper_says(recorded):
    points = {key: recorded[f"points/{key}"] for key in ("matching", "candidates")}
    for values in points.values():
        assert values.min() >= 0 and values.max() < 1
    number = points["matching"].shape[1]
    assert len(points["candidates"]) == 3 * number
    assert len(recorded["points/random"]) == number - int(0.75 * number)


def test_detections_come_best_first(recorded):
    for image in range(len(recorded["images"])):
        scores = recorded[f"detections/{image}/scores"]
        assert (np.diff(scores) <= 0).all()
        assert len(scores) == len(recorded[f"detections/{image}/masks"])
