"""Measures candidate and baseline on one split and decides."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from components.coco_evaluator import blessing_rules, thresholds
from foundation import artifact_paths, errors
from model.evaluation import coco_metrics, ground_truth, predictor
from model.serve import saved_model


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What was measured and decided; metrics are None when nothing was measured."""

    verdict: blessing_rules.Verdict
    metrics: coco_metrics.MaskMetrics | None = None
    baseline: coco_metrics.MaskMetrics | None = None


def assess(
    candidate: artifact_paths.Path,
    baseline: artifact_paths.Path | None,
    files: Sequence[str],
    wanted: thresholds.Thresholds,
    batch_size: int,
) -> Assessment:
    """Scores both models on the same images and applies the thresholds.

    Args:
        files: of the eval split.

    Raises:
        ModelFileError: the candidate cannot be loaded.
    """
    if not files:
        return Assessment(
            blessing_rules.refuse("the eval split is missing or has no files")
        )
    model = saved_model.load(candidate)
    truth = ground_truth.from_records(files, model.categories)
    metrics = _score(model, truth, files, batch_size, "Evaluating")
    if baseline is None:
        return Assessment(blessing_rules.decide(metrics, None, wanted), metrics)
    try:
        other = saved_model.load(baseline)
        before = _score(other, truth, files, batch_size, "Evaluating the baseline")
    except (errors.ModelFileError, tf.errors.OpError) as error:
        problem = " ".join(str(error).split())[:300]
        verdict = blessing_rules.decide(metrics, None, wanted, baseline_problem=problem)
        return Assessment(verdict, metrics)
    return Assessment(blessing_rules.decide(metrics, before, wanted), metrics, before)


def _score(
    model: saved_model.Predictor,
    truth: dict,
    files: Sequence[str],
    batch_size: int,
    description: str,
) -> coco_metrics.MaskMetrics:
    num_images = len(truth["images"])
    results = predictor.score_images(model, files, num_images, batch_size, description)
    return coco_metrics.evaluate(truth, results)
