"""What KFP's page shows of a node: a Markdown summary, and the evaluator's report."""

import functools
import json
import pathlib
from collections.abc import Iterator

import jinja2

from components import wire
from foundation import artifact_paths, html_page, progress
from pipeline.metadata import store
from pipeline.nodes import node_launch

_SHORT = 200  # characters of a text in the summary; longer ones are cut
_NOT_SHOWN = ("name", "tfx_version", "is_external", "state")  # properties


def lines(execution: store.Execution) -> list[str]:
    """A line for each output: key, id, place."""
    return [
        f"{key} #{artifact.artifact_id} {artifact.uri}"
        for key, artifacts in execution.outputs.items()
        for artifact in artifacts
    ]


def write_summary(
    path: pathlib.Path,
    result: node_launch.NodeResult,
    execution: store.Execution | None,
) -> None:
    """Writes what a node read and made, as Markdown."""
    text = (
        _markdown()
        .get_template("summary.md")
        .render(
            result=result,
            took=progress.duration(result.seconds),
            execution=execution,
            described=list(_described(execution)) if execution else [],
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_report(path: pathlib.Path, execution: store.Execution | None) -> None:
    """Writes the evaluator's numbers as one HTML page that loads nothing."""
    evaluations = execution.outputs.get(wire.EVALUATION, []) if execution else []
    found = None
    if evaluations:
        file = artifact_paths.of(evaluations[0].uri) / wire.METRICS_FILE
        found = json.loads(file.read_text(encoding="utf-8"))
    content = {
        "found": found,
        "numbers": _number_rows(found) if found else [],
        "classes": _class_rows(found) if found else [],
    }
    page = html_page.render("pipeline.cluster", "evaluation.html", content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


@functools.cache
def _markdown() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.cluster"),
        autoescape=False,  # noqa: S701  as HTML; `finalize` escapes for Markdown
        finalize=_cell,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _cell(value: object) -> str:
    text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."


def _described(
    execution: store.Execution,
) -> Iterator[tuple[str, int, list[tuple[str, store.Property]]]]:
    """Key, id and properties of every output that has some to show."""
    for key, artifacts in execution.outputs.items():
        for artifact in artifacts:
            properties = sorted(artifact.properties.items())
            shown = [each for each in properties if each[0] not in _NOT_SHOWN]
            if shown:
                yield key, artifact.artifact_id, shown


def _number_rows(found: dict) -> list[tuple[str, ...]]:
    candidate, baseline = found["candidate"] or {}, found["baseline"] or {}
    return [
        (key, _number(candidate, key), _number(baseline, key))
        for key in candidate
        if key != "classes"
    ]


def _class_rows(found: dict) -> list[tuple[str, ...]]:
    candidate, baseline = found["candidate"] or {}, found["baseline"] or {}
    earlier = {each["category_id"]: each for each in baseline.get("classes", [])}
    return [
        (
            f"{each['name']} ({each['category_id']})",
            _number(each, "num_objects"),
            _number(each, "mask_ap"),
            _number(each, "mask_ap50"),
            _number(earlier.get(each["category_id"], {}), "mask_ap"),
        )
        for each in candidate.get("classes", [])
    ]


def _number(numbers: dict, key: str) -> str:
    if key not in numbers:
        return "none"
    if numbers[key] is None:
        return "undefined"
    return f"{numbers[key]:.0f}" if key.startswith("num_") else f"{numbers[key]:.4f}"
