"""Keeps score of a training: losses, speed, what was skipped, what was left out."""

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foundation import errors, progress
from model import config
from model.loss import criterion
from model.train import curves, validation

_MOST_IMAGES = 16  # that a line names
_MANY = 9.95  # images a second, from which on tenths tell nothing


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        steps: batches seen, those before a resume included.
        losses: last values of `total`, `class`, `mask` and `dice`, summed over the
            supervised predictions.
        nonfinite_costs: matching costs that were not finite, since the (re)start.
        skipped: batches whose update was not finite, likewise.
        seconds: duration since the (re)start.
        exported: what was found of the weights that the model has at the end; None if
            no step was judged.
        last: what was found of the last step.
        planned: steps that the recipe asks for; `train.validation.patience` may end a
            training before.
        cost: what it took, see `cost.summary`.
    """

    steps: int
    losses: dict[str, float]
    nonfinite_costs: int
    skipped: int
    seconds: float
    exported: validation.Row | None = None
    last: validation.Row | None = None
    planned: int = 0
    cost: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_facts(self) -> dict[str, Any]:
        """What a model says of the training it comes from, as JSON takes it."""
        exported, last = self.exported, self.last
        return {
            "steps": self.steps,
            "planned_steps": self.planned,
            "exported_step": exported.step if exported else self.steps,
            "exported_mask_ap": _or_none(exported),
            "last_mask_ap": _or_none(last),
            "skipped_updates": self.skipped,
            "seconds": round(self.seconds, 1),
            "cost": dict(self.cost),
        }


class Score:
    """Of a run from a step on."""

    def __init__(
        self,
        settings: config.TrainConfig,
        drawn: curves.Curves,
        start: int,
        skipped_before: int = 0,
    ):
        self.note = ""
        self._settings = settings
        self._curves = drawn
        self._steps = start
        self._losses: dict[str, float] = {}
        self._nonfinite_costs = 0
        self._skipped = 0
        self._skipped_in_a_row = skipped_before
        self._has_told_of_cap = False
        self._judged = ""
        self._begun = time.monotonic()
        self._logged = (start, self._begun)

    def record(
        self, number: int, values: Mapping[str, np.ndarray], images: Sequence[int]
    ) -> None:
        """Takes note of a finished step.

        Args:
            values: the metrics of `training_step.Computed`.
            images: ids of the images of the batch, if they are known.

        Raises:
            TrialError: too many updates in a row were not finite.
        """
        losses = {term: float(np.sum(values[term])) for term in criterion.TERMS}
        self._steps = number
        self._losses = {"total": sum(losses.values()), **losses}
        self._nonfinite_costs += int(values["nonfinite_costs"])
        if values["is_sound"]:
            self._skipped_in_a_row = 0
        else:
            self._skip(number, losses, values, images)
        if number % self._settings.log_steps == 0 or number == self._settings.num_steps:
            self._log(number, values)

    def judged(self, row: validation.Row, pictures: Sequence[np.ndarray]) -> None:
        """Takes note of how good the network is.

        Args:
            pictures: uint8 [H, W, 3] each.
        """
        numbers = dataclasses.asdict(row)
        step = numbers.pop("step")
        known = {f"validation/{k}": v for k, v in numbers.items() if not np.isnan(v)}
        self._curves.scalars(step, known)
        self._curves.images(step, "validation", pictures)
        self._judged = f"  AP {row.mask_ap:.3f}"

    def tell_of_cap(self, left_out: np.ndarray, images: Sequence[int]) -> None:
        """Says once that instances are left out.

        Args:
            left_out: int [B], of each image.
        """
        if self._has_told_of_cap or not left_out.any():
            return
        self._has_told_of_cap = True
        worst = int(np.argmax(left_out))
        cap = self._settings.max_instances
        progress.tell(
            f"image {images[worst]} shows {cap + left_out[worst]} instances, of which "
            f"train.max_instances {cap} keeps the first {cap}; the others are trained "
            "as background, here and in other images. More of them need more memory"
        )

    def _skip(
        self,
        number: int,
        losses: Mapping[str, float],
        values: Mapping[str, np.ndarray],
        images: Sequence[int],
    ) -> None:
        self._skipped += 1
        self._skipped_in_a_row += 1
        bad = [f"{term} loss" for term, loss in losses.items() if not np.isfinite(loss)]
        if not np.isfinite(values["gradient_norm"]):
            bad.append("gradient")
        if values["nonfinite_costs"]:
            bad.append(f"{values['nonfinite_costs']} matching costs")
        what = f"the {', '.join(bad) or 'statistics'} of images {_named(images)}"
        logging.warning("Step %d skipped: %s: not finite", number, what)
        if self._skipped_in_a_row >= self._settings.max_skipped_updates:
            raise errors.TrialError(
                f"training stopped at step {number}: {what} are not finite, as in "
                f"{self._skipped_in_a_row} steps in a row, which changed nothing. "
                "Lower train.learning_rate or train.clip_norm, or set "
                "train.precision to float32; the last checkpoint is intact."
            )

    def _log(self, number: int, values: Mapping[str, np.ndarray]) -> None:
        now = time.monotonic()
        steps, since = number - self._logged[0], now - self._logged[1]
        self._logged = (number, now)
        speed = steps * self._settings.batch_size / max(since, 1e-9)
        self.note = f"loss {self._losses['total']:.2f}  img/s {in_digits(speed)}"
        self.note += self._judged
        scalars: dict[str, float | np.ndarray] = {
            f"loss/{term}": loss for term, loss in self._losses.items()
        }
        for term in criterion.TERMS:
            scalars[f"loss_last_layer/{term}"] = values[term][-1]
        scalars["learning_rate"] = values["learning_rate"]
        scalars["gradient_norm"] = values["gradient_norm"]
        scalars["images_per_second"] = speed
        scalars["nonfinite_costs"] = self._nonfinite_costs
        scalars["skipped_updates"] = self._skipped
        self._curves.scalars(number, scalars)

    def result(self) -> TrainResult:
        """What `trainer.train` returns."""
        return TrainResult(
            self._steps,
            self._losses,
            self._nonfinite_costs,
            self._skipped,
            time.monotonic() - self._begun,
            planned=self._settings.num_steps,
        )


def _or_none(row: validation.Row | None) -> float | None:
    return None if row is None or np.isnan(row.mask_ap) else row.mask_ap


def in_digits(speed: float) -> str:
    """`12`, `8.0`, `0.031`: images a second."""
    return f"{speed:.0f}" if speed >= _MANY else f"{speed:#.2g}"


def _named(images: Sequence[int]) -> str:
    shown = ", ".join(str(image) for image in images[:_MOST_IMAGES])
    return shown + (", ..." if len(images) > _MOST_IMAGES else "") if shown else "?"
