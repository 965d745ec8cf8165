"""What KFP's page shows of a node: a Markdown summary, and the evaluator's report."""

import html
import json
import pathlib

from foundation import artifact_paths, console
from pipeline.metadata import store
from pipeline.nodes import node_launch

_METRICS_FILE = "metrics.json"  # in the evaluator's output `evaluation`
_SHORT = 200  # characters of a property; longer ones are cut
_STYLE = (
    "body{font-family:sans-serif;margin:2em;max-width:60em}"
    "table{border-collapse:collapse;margin:1em 0}"
    "td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
)


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
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_summary(result, execution), encoding="utf-8")


def write_report(path: pathlib.Path, execution: store.Execution | None) -> None:
    """Writes the evaluator's numbers as one HTML page that loads nothing."""
    evaluations = execution.outputs.get("evaluation", []) if execution else []
    if evaluations:
        file = artifact_paths.of(evaluations[0].uri) / _METRICS_FILE
        content = _report(json.loads(file.read_text(encoding="utf-8")))
    else:
        content = "<p>Nothing was evaluated.</p>"
    path.parent.mkdir(parents=True, exist_ok=True)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Evaluation</title><style>{_STYLE}</style></head>"
        f"<body>{content}</body></html>"
    )
    path.write_text(page, encoding="utf-8")


def _summary(result: node_launch.NodeResult, execution: store.Execution | None) -> str:
    seconds = console.duration(result.seconds)
    found = [f"# {result.node_id}: {result.state}\n", f"Took {seconds}.\n"]
    if execution is None:
        return "\n".join(found)
    found.append(f"Execution {execution.execution_id} of run `{execution.run_id}`.\n")
    for title, side in (("Inputs", execution.inputs), ("Outputs", execution.outputs)):
        if side:
            found += [f"## {title}\n", *_artifact_rows(side), ""]
    for key, artifacts in execution.outputs.items():
        for artifact in artifacts:
            rows = _property_rows(artifact)
            if rows:
                found += [f"## {key} #{artifact.artifact_id}\n", *rows, ""]
    return "\n".join(found)


def _artifact_rows(side: dict[str, list[store.Artifact]]) -> list[str]:
    rows = ["| key | type | id | place |", "|---|---|---|---|"]
    for key, artifacts in side.items():
        for each in artifacts:
            cells = (key, each.type_name, f"#{each.artifact_id}", _cell(each.uri))
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def _property_rows(artifact: store.Artifact) -> list[str]:
    shown = {
        key: value
        for key, value in sorted(artifact.properties.items())
        if key not in ("name", "tfx_version", "is_external", "state")
    }
    if not shown:
        return []
    rows = ["| property | value |", "|---|---|"]
    return rows + [f"| {_cell(key)} | {_cell(value)} |" for key, value in shown.items()]


def _cell(value: object) -> str:
    text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}..."


def _report(content: dict) -> str:
    verdict = "blessed" if content["blessed"] else "not blessed"
    candidate = content["candidate"] or {}
    baseline = content["baseline"] or {}
    numbers = [
        (html.escape(key), _number(candidate, key), _number(baseline, key))
        for key in candidate
        if key != "classes"
    ]
    earlier = {each["category_id"]: each for each in baseline.get("classes", [])}
    classes = [
        (
            html.escape(f"{each['name']} ({each['category_id']})"),
            _number(each, "num_objects"),
            _number(each, "mask_ap"),
            _number(each, "mask_ap50"),
            _number(earlier.get(each["category_id"], {}), "mask_ap"),
        )
        for each in candidate.get("classes", [])
    ]
    reasons = "".join(f"<li>{html.escape(text)}</li>" for text in content["reasons"])
    return (
        f"<h1>Verdict: {verdict}</h1><ul>{reasons}</ul>"
        + _table(("metric", "candidate", "baseline"), numbers)
        + _table(
            ("class", "objects", "mask AP", "mask AP50", "baseline mask AP"), classes
        )
    )


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{text}</th>" for text in header)
    body = "".join(
        f"<tr><td>{first}</td>"
        + "".join(f'<td class="n">{text}</td>' for text in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _number(numbers: dict, key: str) -> str:
    if key not in numbers:
        return "none"
    if numbers[key] is None:
        return "undefined"
    return f"{numbers[key]:.0f}" if key.startswith("num_") else f"{numbers[key]:.4f}"
