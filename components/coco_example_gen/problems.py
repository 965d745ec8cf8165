"""The record of what ingestion found wrong, and what it did about it."""

import collections
import json
from collections.abc import Iterable, Mapping
from typing import Literal, TextIO

import msgspec

from components.coco_example_gen import quoting
from foundation import errors

MAX_EXAMPLES = 20
OnProblem = Literal["strict", "repair", "report"]

# What every kind of problem leads to. `error` stops ingestion, `dropped` leaves the
# image or instance out, `repaired` goes on with a corrected value, `noted` goes on.
SEVERITIES = {
    "unsafe_path": "error",
    "duplicate_id": "error",
    "dangling_id": "error",
    "category_conflict": "error",
    "size_mismatch": "error",
    "bad_segmentation": "error",
    "missing_image": "dropped",
    "broken_image": "dropped",
    "oversized_image": "dropped",
    "empty_mask": "dropped",
    "unlisted_segment": "dropped",
    "broken_labelme_file": "dropped",
    "shape_unusable": "dropped",
    "shape_without_area": "dropped",
    "degenerate_polygon": "repaired",
    "annotation_id_zero": "repaired",
    "duplicate_category_name": "repaired",
    "not_a_number": "repaired",
    "bbox_outside_image": "repaired",
    "bbox_recomputed": "repaired",
    "area_recomputed": "repaired",
    "labelme_size": "repaired",
    "image_reencoded": "repaired",
    "exif_turned": "repaired",
    "exif_ignored": "noted",
    "several_frames": "noted",
    "wrong_suffix": "noted",
    "windows_separator": "noted",
    "number_form": "noted",
    "placeholder_category": "noted",
    "category_id_zero": "noted",
    "unused_category": "noted",
    "class_absent_from_split": "noted",
    "image_without_objects": "noted",
    "mask_covers_image": "noted",
    "image_in_both_splits": "noted",
    "image_repeated": "noted",
    "split_ignored": "noted",
    "shape_of_no_class": "noted",
    "picture_not_annotated": "noted",
    "unknown_labelme_version": "noted",
    "category_id_changed": "noted",
    "ids_renumbered": "noted",
}
# An escape from the data folder is no fault of the data: nothing lets it pass.
_ALWAYS_STOP = ("unsafe_path",)
_STOPPED = "stopped"
# Characters that a line tells of a file's name, and of what is said of it.
_LONGEST_FILE = 300
_LONGEST_MESSAGE = 1000


class Problem(msgspec.Struct, frozen=True):
    """One thing found.

    Attributes:
        kind: a key of `SEVERITIES`.
        file: annotation or image file, below the data root.
        message: what was got and what was wanted.
        action: what ingestion does about it unless it stops.
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
        """One line that names file, image and annotation; its length is bounded."""
        place = quoting.short(self.file, _LONGEST_FILE)
        if self.image_id is not None:
            place += f", image {self.image_id}"
        if self.annotation_id is not None:
            place += f", annotation {self.annotation_id}"
        return f"{place}: {quoting.short(self.message, _LONGEST_MESSAGE)}"

    def to_row(self) -> dict[str, object]:
        """What is written of it as JSON."""
        return {"severity": self.severity, **msgspec.structs.asdict(self)}


class ProblemLog:
    """Exact counts of every kind, and the first examples of each.

    Attributes:
        on_problem: `repair` stops at errors; `strict` also where something would be
            dropped or repaired; `report` at nothing but paths that leave the root.
    """

    def __init__(
        self,
        on_problem: OnProblem = "repair",
        record: TextIO | None = None,
        max_examples: int = MAX_EXAMPLES,
    ):
        """Starts empty.

        Args:
            record: takes every occurrence, one JSON object a line.
        """
        self.on_problem = on_problem
        self.counts: collections.Counter[str] = collections.Counter()
        self.examples: list[Problem] = []
        self._record = record
        self._max_examples = max_examples
        self._kept: collections.Counter[str] = collections.Counter()

    def add(self, problem: Problem) -> None:
        if self.stops_at(problem.kind):
            problem = msgspec.structs.replace(problem, action=_STOPPED)
        self.counts[problem.kind] += 1
        self._keep(problem)
        if self._record is not None:
            self._record.write(f"{json.dumps(problem.to_row())}\n")

    def merge(
        self,
        counts: Mapping[str, int],
        examples: Iterable[Problem],
        lines: Iterable[str] = (),
    ) -> None:
        """Takes over another log's counts, and as many examples as there is room.

        Args:
            lines: what the other one recorded.
        """
        self.counts.update(counts)
        for problem in examples:
            self._keep(problem)
        if self._record is not None:
            for line in lines:
                self._record.write(line)

    def stops_at(self, kind: str) -> bool:
        """Does one problem of this kind end ingestion?"""
        if kind in _ALWAYS_STOP:
            return True
        stopping = {
            "strict": ("error", "dropped", "repaired"),
            "repair": ("error",),
            "report": (),
        }
        return SEVERITIES[kind] in stopping[self.on_problem]

    def raise_errors(self) -> None:
        """Ends ingestion when anything was recorded that cannot be gone on with.

        Raises:
            CocoFormatError: listing the first 20 such problems of all kinds.
        """
        total = sum(n for kind, n in self.counts.items() if self.stops_at(kind))
        if not total:
            return
        found = [p.describe() for p in self.examples if self.stops_at(p.kind)]
        listed = fault_list(total, found)
        if self.on_problem == "strict":
            listed += "\ndata.on_problem is strict; repair would repair what it can."
        raise errors.CocoFormatError(listed)

    def _keep(self, problem: Problem) -> None:
        if self._kept[problem.kind] < self._max_examples:
            self._kept[problem.kind] += 1
            self.examples.append(problem)


def fault_list(total: int, lines: list[str]) -> str:
    """The message for several faults: how many, and the first 20, one a line."""
    shown = lines[:MAX_EXAMPLES]
    heading = "one fault" if total == 1 else f"{total} faults"
    listed = "\n".join(f"  {line}" for line in shown)
    more = f"\n  ... and {total - len(shown)} more" if total > len(shown) else ""
    return f"the annotations have {heading}:\n{listed}{more}"
