"""The record of what ingestion found wrong, and what it did about it."""

import dataclasses
from collections.abc import Iterable

from pipeline import errors

MAX_EXAMPLES = 20

# What every kind of problem leads to. `error` stops ingestion, `dropped` leaves the
# image or instance out, `repaired` goes on with a corrected value, `noted` goes on.
SEVERITIES = {
    "duplicate_id": "error",
    "dangling_id": "error",
    "category_conflict": "error",
    "unsafe_path": "error",
    "size_mismatch": "error",
    "bad_segmentation": "error",
    "missing_image": "dropped",
    "broken_image": "dropped",
    "empty_mask": "dropped",
    "degenerate_polygon": "repaired",
    "annotation_id_zero": "repaired",
    "bbox_recomputed": "repaired",
    "area_recomputed": "repaired",
    "image_reencoded": "repaired",
    "exif_turned": "repaired",
    "exif_ignored": "noted",
    "wrong_suffix": "noted",
    "category_id_zero": "noted",
    "duplicate_category_name": "noted",
    "unused_category": "noted",
    "class_absent_from_split": "noted",
    "image_without_objects": "noted",
    "image_in_both_splits": "noted",
    "split_ignored": "noted",
}


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing found.

    Attributes:
        kind: a key of `SEVERITIES`.
        file: annotation or image file, below the data root.
        message: what was got and what was wanted.
        action: what ingestion did about it.
    """

    kind: str
    file: str
    message: str
    action: str
    image_id: int | None = None
    annotation_id: int | None = None

    @property
    def severity(self) -> str:
        return SEVERITIES[self.kind]

    def describe(self) -> str:
        """One line that names file, image and annotation."""
        place = self.file
        if self.image_id is not None:
            place += f", image {self.image_id}"
        if self.annotation_id is not None:
            place += f", annotation {self.annotation_id}"
        return f"{place}: {self.message}"


class ProblemLog:
    """Exact counts of every kind, and the first examples of each."""

    def __init__(self, max_examples: int = MAX_EXAMPLES):
        self.counts: dict[str, int] = {}
        self.examples: list[Problem] = []
        self._max_examples = max_examples
        self._kept: dict[str, int] = {}

    def add(self, problem: Problem) -> None:
        self.counts[problem.kind] = self.counts.get(problem.kind, 0) + 1
        self._keep(problem)

    def merge(self, counts: dict[str, int], examples: Iterable[Problem]) -> None:
        """Takes over another log's counts and as many examples as there is room."""
        for kind, count in counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + count
        for problem in examples:
            self._keep(problem)

    def raise_errors(self) -> None:
        """Ends ingestion when anything was recorded that cannot be gone on with.

        Raises:
            CocoFormatError: listing the first 20 errors of all kinds.
        """
        found = [p for p in self.examples if p.severity == "error"]
        if not found:
            return
        total = sum(n for kind, n in self.counts.items() if SEVERITIES[kind] == "error")
        raise errors.CocoFormatError(
            fault_list(total, [problem.describe() for problem in found])
        )

    def _keep(self, problem: Problem) -> None:
        kept = self._kept.get(problem.kind, 0)
        if kept < self._max_examples:
            self._kept[problem.kind] = kept + 1
            self.examples.append(problem)


def fault_list(total: int, lines: list[str]) -> str:
    """The message for several faults: how many, and the first 20, one a line."""
    shown = lines[:MAX_EXAMPLES]
    heading = "one fault" if total == 1 else f"{total} faults"
    listed = "\n".join(f"  {line}" for line in shown)
    more = f"\n  ... and {total - len(shown)} more" if total > len(shown) else ""
    return f"the annotations have {heading}:\n{listed}{more}"
