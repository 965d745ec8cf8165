"""Scores a network in the course of its training."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from model import train_sections
from model.evaluation import (
    coco_metrics,
    ground_truth,
    live_model,
    predictor,
    side_by_side,
    split_sample,
)
from model.examples import record_files
from model.serve import export


@dataclasses.dataclass(frozen=True)
class Judgement:
    """Metrics of the network as it is now, and pictures to look at.

    Attributes:
        pictures: uint8 [H, W, 3] each, truth beside detections.
    """

    metrics: coco_metrics.MaskMetrics
    pictures: Sequence[np.ndarray]


class Judge:
    """Asks the network about the eval split, or a part of it, one image at a time.

    With all images its numbers are those of `m2f evaluate` on the exported model.

    Args:
        files: record files of the eval split.
        seed: decides which images, if not all, and which pictures are drawn.
    """

    def __init__(
        self,
        module: export.ServingModule,
        files: Sequence[str],
        settings: train_sections.ValidationConfig,
        seed: int,
    ):
        self._model = live_model.LiveModel(module)
        self._files = list(files)
        self._settings = settings
        self._seed = seed

    def __call__(self) -> Judgement:
        truth = self._truth
        image_ids = [image["id"] for image in truth["images"]]
        results = predictor.score_images(
            self._model, self._files, len(image_ids), 1, "Validating", image_ids
        )
        metrics = coco_metrics.evaluate(truth, results)
        return Judgement(metrics, list(self._pictures(image_ids)))

    @functools.cached_property
    def _truth(self) -> dict:
        """What is annotated in the images that are asked about."""
        whole = ground_truth.from_records(self._files, self._model.categories)
        if not self._settings.images:
            return whole
        image_ids = [image["id"] for image in whole["images"]]
        part = split_sample.draw(image_ids, self._settings.images, self._seed)
        return split_sample.of_truth(whole, part)

    def _pictures(self, image_ids: Sequence[int]) -> Iterator[np.ndarray]:
        shown = split_sample.draw(image_ids, self._settings.pictures, self._seed)
        truth = split_sample.of_truth(self._truth, shown)["annotations"]
        names = {each["id"]: each["name"] for each in self._truth["categories"]}
        for (image_id,), (encoded,) in record_files.image_batches(
            self._files, 1, shown
        ):
            (found,) = self._model.predict_encoded([encoded])
            annotations = [each for each in truth if each["image_id"] == image_id]
            yield side_by_side.draw(encoded, annotations, found, names)
