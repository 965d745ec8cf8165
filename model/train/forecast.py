"""Collects what `expectations` puts into words, before and in the first steps."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from model import config
from model.examples import categories, survey
from model.train import expectations, failures, host_memory, length

# Enough to see how large objects are, and little to read: no pass over a large split.
_MOST_IMAGES = 500
# The first step is traced, which takes longer.
_MEASURED_STEPS = 5


def facts(
    settings: config.TrainerConfig,
    model: keras.Model,
    classes: Sequence[categories.Category],
    image_counts: Mapping[int, int],
    files: Sequence[str],
    eval_files: Sequence[str],
) -> expectations.Facts:
    """What is known before the first step.

    Args:
        image_counts: see `preprocessing.read_image_counts`.
        files, eval_files: record files of the splits.

    Raises:
        PipelineError: they cannot be read.
    """
    recipe = settings.train
    with failures.of_reading(0):
        trained = survey.look(files, _MOST_IMAGES)
        held_out = survey.look(eval_files, _MOST_IMAGES) if eval_files else None
    is_few = held_out is not None and held_out.is_whole
    names = {each.name: each.training_count for each in classes}
    weights = sum(int(np.prod(each.shape)) for each in model.trainable_variables)
    return expectations.Facts(
        images=length.trained_images(image_counts, recipe),
        instances_per_image=image_counts,
        classes=names,
        eval_images=held_out.images if held_out and is_few else None,
        eval_objects=held_out.objects.total() if held_out and is_few else None,
        eval_only=sorted(set(held_out.objects) - set(names)) if held_out else (),
        small_trained=_small(trained.trained_sides(recipe)),
        small_evaluated=_small(trained.evaluated_sides(settings.data)),
        max_instances=recipe.max_instances,
        weights=weights,
        is_random=recipe.init_from is None,
        has_gpu=has_gpu(),
        memory_needed=_memory_needed(settings, weights),
        memory_limit=host_memory.limit(),
    )


def _memory_needed(settings: config.TrainerConfig, weights: int) -> float:
    recipe = settings.train
    pixels = recipe.batch_size // recipe.micro_batches * recipe.augment.crop_size**2
    channels = settings.model.pixel_decoder.channels
    return expectations.memory_needed(weights, pixels, channels)


def has_gpu() -> bool:
    """Does TensorFlow see one?"""
    return bool(tf.config.list_physical_devices("GPU"))


class FirstSteps:
    """Measures the first steps after a start."""

    def __init__(
        self,
        start: int,
        num_steps: int,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._end = start + _MEASURED_STEPS + 1
        self._num_steps = num_steps
        self._clock = clock
        self._times: list[float] = []

    def lines(self, number: int) -> list[str]:
        """What to tell after a step; nothing but after the last one that is measured.

        Args:
            number: of the step, called for each.
        """
        if number > self._end:
            return []
        self._times.append(self._clock())
        if number < self._end:
            return []
        # A judgement or a checkpoint between two steps is no part of them.
        seconds = statistics.median(np.diff(self._times))
        return expectations.after_first_steps(
            float(seconds),
            self._num_steps - number,
            host_memory.peak(),
            host_memory.limit(),
            has_gpu(),
        )


def _small(sides: np.ndarray) -> float:
    return float(np.mean(sides < expectations.SMALLEST_SIDE)) if sides.size else 0.0
