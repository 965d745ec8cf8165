"""Updates from a step to the last one, judged and saved on the way."""

import contextlib
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from foundation import artifact_paths, errors, progress
from model import config
from model.evaluation import judge
from model.examples import dataset
from model.train import (
    checkpoints,
    cluster,
    curves,
    failures,
    forecast,
    parts,
    score,
    training_step,
    validation,
)

# What batches tell of themselves beside what is trained on.
_IMAGES, _LEFT_OUT = dataset.TOLD


class Loop:
    """Updates from a step to the last one, with checkpoints; see `Interruptible`.

    Whoever changes or saves the state holds the lock. A step holds it only while it
    changes something, so what is done can be saved while the next step computes, or
    while the network is judged.
    """

    def __init__(
        self,
        trained: parts.Parts,
        batches_from: Callable[[int], tf.data.Dataset],
        settings: config.TrainConfig,
        folder: artifact_paths.Path,
        saved: checkpoints.Checkpoints,
        drawn: curves.Curves,
        kept: score.Score,
        task: progress.Task,
    ):
        self._parts = trained
        self._batches_from = batches_from
        self._settings = settings
        self._folder = folder
        self._saved = saved
        self._drawn = drawn
        self._score = kept
        self._task = task
        self._lock = threading.Lock()
        self._is_stopped = False
        self._is_torn = False  # amid an update: not to be saved
        self._number = kept.result().steps
        self._first = forecast.FirstSteps(self._number, settings.num_steps)

    def run(self) -> None:
        """Makes the steps.

        Raises:
            PipelineError: see `train`.
        """
        try:
            self._judge()  # the process may have ended before it was
            self._make_steps()
        except BaseException:
            with self._lock, contextlib.suppress(errors.PipelineError):
                if not self._is_stopped and not self._is_torn:
                    self._save()
            raise

    def stop(self) -> str:
        """See `Interruptible`."""
        with self._lock:
            self._is_stopped = True
            if self._is_torn:
                return "nothing is saved: the last step failed"
            if not cluster.is_chief():
                return "worker 0 saves"
            self._save()
        return f"step {self._number} of {self._settings.num_steps} is saved"

    def _make_steps(self) -> None:
        meter = self._parts.meter
        with failures.of_reading(self._number), meter.waiting():
            examples = self._batches_from(self._number)
            batches = iter(examples)
        spec = {k: v for k, v in examples.element_spec.items() if k not in dataset.TOLD}
        compute = self._parts.step.compute_for(spec)
        while not self._is_done and not self._is_stopped:
            with failures.of_reading(self._number), meter.waiting():
                batch = next(batches, None)
            if batch is None:
                return
            batch = dict(batch)
            told = {key: batch.pop(key, ()) for key in dataset.TOLD}
            with failures.of_computing(self._number + 1):
                computed = compute(batch)
                values = {key: each.numpy() for key, each in computed.metrics.items()}
            with self._lock:
                if self._is_stopped:
                    return
                self._finish(computed, values, told)
            self._judge()

    def _finish(
        self,
        computed: training_step.Computed,
        values: dict[str, np.ndarray],
        told: dict[str, Any],
    ) -> None:
        """Applies what was computed, tells of it, and saves when that is due."""
        number = self._number + 1
        self._is_torn = True
        with failures.of_computing(number):
            self._parts.step.finish(computed)
        self._number = number
        self._parts.meter.count(self._settings.batch_size)
        images = np.asarray(told[_IMAGES]).tolist()
        self._score.tell_of_cap(np.asarray(told[_LEFT_OUT]), images)
        self._score.record(number, values, images)  # what must not go on is not saved
        self._is_torn = False
        self._task.advance(note=self._score.note)
        for line in self._first.lines(number) if cluster.is_chief() else ():
            progress.tell(line)
        is_last = number == self._settings.num_steps
        if is_last or number % self._settings.checkpoint_steps == 0:
            self._save()

    @property
    def _is_done(self) -> bool:
        followed = self._parts.validation
        if followed and followed.is_exhausted:
            return True
        return self._number >= self._settings.num_steps

    def _judge(self) -> None:
        """Scores the network if that is due, and saves what was found with it."""
        number, followed = self._number, self._parts.validation
        if not followed or not followed.is_due(number, self._settings.num_steps):
            return
        found = self._asked(followed) if cluster.is_chief() else None
        with self._lock:
            if self._is_stopped:
                return
            self._put_weights_back()
            mask_ap = found.metrics.mask_ap if found else math.nan
            told = -1.0 if math.isnan(mask_ap) else mask_ap
            told = cluster.from_chief(self._parts.strategy, told)
            numbers = found.metrics.numbers() if found else {}
            mask_ap = math.nan if told < 0 else told
            row = followed.record(number, {**numbers, "mask_ap": mask_ap})
            self._score.judged(row, found.pictures if found else ())
            self._save(is_changed=True)
        best = followed.best
        if best and followed.is_exhausted and number < self._settings.num_steps:
            progress.tell(
                f"step {number}: no better mask AP than {best.mask_ap:.3f} of "
                f"step {best.step} in {self._settings.validation.patience} "
                "judgements (train.validation.patience): training ends"
            )

    def _asked(self, followed: validation.Validation) -> judge.Judgement:
        with self._lock:
            if self._parts.averages and not self._is_stopped:
                self._parts.averages.swap_in()
        with failures.of_computing(self._number), self._parts.meter.judging():
            return followed.ask()

    def _put_weights_back(self) -> None:
        if self._parts.averages:
            self._parts.averages.swap_out()

    def _save(self, is_changed: bool = False) -> None:
        """Saves the state, and whatever was judged so far."""
        self._put_weights_back()
        if not cluster.is_chief():
            return
        followed = self._parts.validation
        best = followed.best if followed else None
        if followed and followed.rows:
            with failures.of_saving(self._folder, self._number):
                followed.write_table(self._folder)
        self._drawn.flush(self._number)
        self._saved.save([best.step] if best else [], is_changed)
