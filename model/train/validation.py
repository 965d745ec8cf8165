"""Mask AP in the course of a training: when, what was found, which step is the best."""

import csv
import dataclasses
import io
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from foundation import artifact_paths
from model import train_sections
from model.evaluation import judge

TABLE_FILE = "validation.csv"


@dataclasses.dataclass(frozen=True)
class Row:
    """What was found at one step; NaN where undefined."""

    step: int
    mask_ap: float
    mask_ap50: float
    mask_ap75: float
    mask_ar: float
    box_ap: float


class Validation:
    """Follows the mask AP; an `Extra` of the training's state.

    Args:
        ask: scores the network with the weights of the moment.
    """

    variables: Mapping[str, tf.Variable] = {}

    def __init__(
        self,
        settings: train_sections.ValidationConfig,
        ask: Callable[[], judge.Judgement],
    ):
        self.ask = ask
        self.rows: list[Row] = []
        self._settings = settings

    def is_due(self, step: int, last: int) -> bool:
        """Whether a step is to be judged: every so many, the last one, and only once.

        Args:
            last: the step that training ends with.
        """
        every = self._settings.every_steps
        is_known = any(row.step == step for row in self.rows)
        return step > 0 and not is_known and (step % every == 0 or step == last)

    def record(self, step: int, numbers: Mapping[str, float]) -> Row:
        """Takes note of a step.

        Args:
            numbers: those of a row by name; what is left out is undefined.
        """
        names = [field.name for field in dataclasses.fields(Row)][1:]
        row = Row(step, **{name: numbers.get(name, math.nan) for name in names})
        self.rows = [each for each in self.rows if each.step < step] + [row]
        return row

    @property
    def best(self) -> Row | None:
        """See `best_of`."""
        return best_of(self.rows)

    @property
    def is_exhausted(self) -> bool:
        """Whether so many judgements in a row were no better than the best."""
        patience, best = self._settings.patience, self.best
        if not patience or best is None:
            return False
        return sum(row.step > best.step for row in self.rows) >= patience

    def write_table(self, folder: artifact_paths.Path) -> None:
        """Writes all rows as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in dataclasses.fields(Row)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in self.rows)
        artifact_paths.write_whole(folder / TABLE_FILE, text.getvalue().encode())

    def facts(self) -> Any:
        """See `state.Extra`; NaN is no JSON."""
        return [
            {k: None if v != v else v for k, v in dataclasses.asdict(row).items()}
            for row in self.rows
        ]

    def take(self, facts: Any) -> None:
        """See `state.Extra`."""
        self.rows = rows_of(facts)


def rows_of(facts: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The rows that `Validation.facts` told of."""
    return [Row(**_with_nan(each)) for each in facts]


def best_of(rows: Iterable[Row]) -> Row | None:
    """The highest mask AP, the earliest of equals; None when none is defined."""
    defined = [row for row in rows if not math.isnan(row.mask_ap)]
    return max(defined, key=lambda row: row.mask_ap, default=None)


def _with_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: math.nan if value is None else value for k, value in values.items()}
