"""What `m2f data check` does: ingestion and the data gate, and nothing after them."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence

import rich.box
import rich.console
import rich.markup
import rich.table

from components import wire
from components.coco_example_gen import ingestion, problems
from components.data_gate import checks, decision, judgement, measurements
from foundation import errors, progress, terminal_text
from pipeline.settings import config
from pipeline.tools import data_statistics, ingestion_processes

_TOLD = ("failed", "warned")
# Counted and no fault of the data: these do not make a set an unclean one.
_COUNTED = {
    "image_without_objects": "image(s) without objects",
    "image_reencoded": "image(s) stored anew, being no plain RGB JPEG or PNG",
}


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was found; prints itself as tables, and as nothing but a line when clean.

    Attributes:
        counts: problems by kind, of those that were found.
        examples: the first problems of each kind, as `problems.json` has them.
        page: the report as a web page.
        summary: content of `summary.json`; None when ingestion stopped.
        verdict: the gate's; None when ingestion stopped.
        stopped: why ingestion stopped; empty when it did not.
    """

    counts: Mapping[str, int]
    examples: Mapping[str, Sequence[Mapping]]
    page: pathlib.Path
    summary: Mapping | None = None
    verdict: decision.Verdict | None = None
    stopped: str = ""

    @property
    def passed(self) -> bool:
        """Would a run get past the gate?"""
        return self.verdict is not None and self.verdict.passed

    def raise_if_stopped(self, advice: str) -> None:
        """Ends the command as a run on this data would end.

        Args:
            advice: added to what stopped ingestion; where to read more of it.

        Raises:
            CocoFormatError: ingestion stopped.
            DataGateError: the gate would stop a run.
        """
        if self.verdict is None:
            raise errors.CocoFormatError(f"{self.stopped}\n{advice}")
        if not self.verdict.passed:
            raise errors.DataGateError(decision.explain(self.verdict))

    def to_json(self) -> dict[str, object]:
        """The same for programs."""
        made = json.loads(self.verdict.to_json())["checks"] if self.verdict else []
        return {
            "passed": self.passed,
            "stopped": self.stopped,
            "splits": self.summary["splits"] if self.summary else {},
            "problems": {
                kind: {
                    "severity": problems.SEVERITIES[kind],
                    "count": count,
                    "examples": list(self.examples[kind]),
                }
                for kind, count in self.counts.items()
            },
            "checks": made,
        }

    def __rich__(self) -> rich.console.Group:
        faults = [kind for kind in self.counts if kind not in _COUNTED]
        warned = [
            check
            for check in (self.verdict.checks if self.verdict else ())
            if check.outcome in _TOLD and check.name not in self.counts
        ]
        parts: list[rich.console.RenderableType] = []
        if faults:
            parts.append(self._problem_table(faults))
        if warned:
            parts.append(_check_table(warned))
        parts += [
            f"{split}: {_counted(counts['images'], 'image', 'images')}, "
            f"{_counted(counts['objects'], 'object', 'objects')}, "
            f"{_counted(len(counts['classes']), 'class', 'classes')}"
            for split, counts in (
                self.summary["splits"] if self.summary else {}
            ).items()
        ]
        parts += [
            f"{self.counts[kind]} {name}"
            for kind, name in _COUNTED.items()
            if kind in self.counts
        ]
        if self.passed:
            is_clean = not (faults or warned)
            parts.append("no problem found" if is_clean else "a run would go on")
        return rich.console.Group(*parts)

    def _problem_table(self, kinds: Sequence[str]) -> rich.table.Table:
        table = _table("problem", "count", "what happens", "first example")
        for kind in kinds:
            row = self.examples[kind][0]
            # Without ids: the column is a narrow one.
            first = problems.Problem(kind, row["file"], row["message"], row["action"])
            count = str(self.counts[kind])
            cells = (kind, count, first.action, first.describe())
            table.add_row(*map(_cell, cells))
        return table


def check(
    roots: Sequence[pathlib.Path], settings: config.PipelineConfig, folder: pathlib.Path
) -> Findings:
    """Ingests into a folder that is thrown away, and asks the gate.

    Args:
        folder: empty; gets records and report.
    """
    reported = folder / "report"
    page = reported / wire.REPORT_PAGE_FILE
    record_folders = {name: str(folder / name) for name in wire.SPLITS}
    ingested_as = settings.data.ingest_settings()
    try:
        summary = ingestion.ingest(
            ingestion.detect(roots, ingested_as, str(reported)),
            ingested_as,
            str(folder / "work"),
            record_folders,
            str(reported),
            ingestion_processes.run,
        )
    except errors.CocoFormatError as error:
        return Findings(*_recorded(reported), page, stopped=str(error))
    verdict = _judge(reported, record_folders, settings)
    return Findings(*_recorded(reported), page, summary, verdict)


def _judge(
    reported: pathlib.Path,
    record_folders: Mapping[str, str],
    settings: config.PipelineConfig,
) -> decision.Verdict:
    with progress.track("Judging"):
        statistics = {
            name: data_statistics.of_records(pathlib.Path(folder))
            for name, folder in record_folders.items()
        }
        return judgement.judge(
            measurements.read_report(str(reported)),
            {name: data_statistics.anomalies(s) for name, s in statistics.items()},
            statistics,
            {},
            settings.data.gate,
            settings.model.decoder.num_queries,
        )


def _recorded(
    reported: pathlib.Path,
) -> tuple[dict[str, int], dict[str, list[Mapping]]]:
    """Counts and first examples by kind, the worst first, of what was recorded."""
    counts: dict[str, int] = {}
    examples: dict[str, list[Mapping]] = {}
    lines = (reported / wire.PROBLEM_LINES_FILE).open(encoding="utf-8")
    with lines:
        for row in map(json.loads, lines):
            counts[row["kind"]] = counts.get(row["kind"], 0) + 1
            kept = examples.setdefault(row["kind"], [])
            if len(kept) < problems.MAX_EXAMPLES:
                kept.append(row)
    return {
        kind: counts[kind] for kind in problems.SEVERITIES if kind in counts
    }, examples


def _check_table(made: Sequence[checks.Check]) -> rich.table.Table:
    table = _table("check", "value", "outcome", "key", "first example")
    for check in made:
        value = f"{checks.number(check.value)}, limit {checks.number(check.limit)}"
        example = check.examples[0] if check.examples else ""
        cells = (check.name, value, check.outcome, check.key, example)
        table.add_row(*map(_cell, cells))
    return table


def _cell(text: str) -> str:
    return rich.markup.escape(terminal_text.printable(text))


def _table(*titles: str) -> rich.table.Table:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, no_wrap=title != "first example", overflow="fold")
    return table


def _counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
