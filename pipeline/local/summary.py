"""What a finished run made, where, and why it was pushed or refused."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import rich.console
from rich.markup import escape

from components import wire
from foundation import progress, terminal_text
from model import tune_section
from model.serve import model_folder
from model.train import cost
from pipeline.local import run_local, serving_folder, workspace
from pipeline.metadata import store

_METRICS = ("mask_ap", "mask_ap50", "mask_ap75", "num_images")
_MOST_WARNINGS = 3
_LONGEST_WARNING = 160  # characters


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The verdict of a run.

    Attributes:
        pushed_to: folder of the pushed version, or None.
        pushed_now: by this run and not by an earlier one.
        restored: an earlier run pushed it, and it had to be put back.
        reasons: what each validator said.
        warnings: what the data gate let pass and told, a line each.
        data_report: page about the data.
        metrics: of the candidate, as the evaluator recorded them.
        tuned: a line on the best of the trials; empty without a Tuner.
        cost: of its training, see `cost.summary`; empty when the model does not say.
    """

    blessed: bool
    serving_ready: bool
    pushed_to: str | None
    pushed_now: bool
    restored: bool
    reasons: dict[str, str]
    warnings: list[str]
    data_report: str
    metrics: dict[str, float]
    report: str
    model: str
    tensorboard: str
    tuned: str = ""
    cost: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def read(metadata: store.Store, run_id: str) -> Outcome:
    """Reads the outcome of a run from the metadata store."""
    nodes = metadata.run(run_id)
    evaluator, infra = nodes["CocoEvaluator"], nodes["ServingValidator"]
    blessing = evaluator.outputs[wire.BLESSING][0]
    evaluation = evaluator.outputs[wire.EVALUATION][0]
    infra_blessing = infra.outputs[wire.BLESSING][0]
    trainer = nodes["Trainer"]
    pushed = [
        artifact
        for artifact in nodes["Pusher"].outputs.get(wire.PUSHED_MODEL, [])
        if artifact.properties.get(wire.PUSHED) == 1
    ]
    restored = bool(pushed) and serving_folder.restore(pushed[0])
    return Outcome(
        blessed=blessing.properties.get(wire.BLESSED) == 1,
        serving_ready=infra_blessing.properties.get(wire.BLESSED) == 1,
        pushed_to=str(pushed[0].properties[wire.PUSHED_DESTINATION])
        if pushed
        else None,
        pushed_now=bool(pushed) and nodes["Pusher"].state == "complete",
        restored=restored,
        reasons={
            "CocoEvaluator": str(blessing.properties.get(wire.REASON, "")),
            "ServingValidator": str(infra_blessing.properties.get(wire.REASON, "")),
        },
        warnings=_warnings(nodes["DataGate"]),
        data_report=f"{nodes['CocoExampleGen'].outputs[wire.REPORT][0].uri}/{wire.REPORT_PAGE_FILE}",
        metrics={
            key: float(evaluation.properties[key])
            for key in _METRICS
            if key in evaluation.properties
        },
        report=evaluation.uri,
        model=trainer.outputs[wire.MODEL][0].uri,
        tensorboard=trainer.outputs[wire.MODEL_RUN][0].uri,
        tuned=_tuned(nodes["Tuner"]) if "Tuner" in nodes else "",
        cost=_cost(trainer.outputs[wire.MODEL][0]),
    )


def _tuned(tuner: store.Execution) -> str:
    folder = pathlib.Path(tuner.outputs[wire.TUNER_RESULTS][0].uri)
    text = (folder / wire.TUNER_RESULTS_FILE).read_text(encoding="utf-8")
    best, *others = json.loads(text)
    values = {k: v for k, v in best.items() if k not in ("trial_id", "score")}
    return (
        f"{tune_section.told(values)}: mask AP {best['score']:.3f}, the best of "
        f"{len(others) + 1} trials that came to an end"
    )


def _cost(model: store.Artifact) -> Mapping[str, Any]:
    folder = pathlib.Path(model.uri, wire.SERVING_FOLDER)
    return model_folder.training_of(folder).get("cost", {})


def _warnings(gate: store.Execution) -> list[str]:
    file = pathlib.Path(gate.outputs[wire.VERDICT][0].uri, wire.VERDICT_FILE)
    return json.loads(file.read_text(encoding="utf-8"))["warnings"]


def show(
    console: rich.console.Console,
    result: run_local.RunResult,
    outcome: Outcome,
    space: workspace.Workspace,
) -> None:
    """Prints the closing summary."""
    total = sum(node.seconds for node in result.nodes)
    console.print(f"  {'total':20} {'':9} {progress.duration(total):>12}\n")
    for line in _lines(outcome, space):
        console.print(line, soft_wrap=True)


def _lines(outcome: Outcome, space: workspace.Workspace) -> list[str]:
    metrics = ", ".join(
        f"{key} {value:.0f}" if key == "num_images" else f"{key} {value:.3f}"
        for key, value in outcome.metrics.items()
    )
    verdict = "[green]blessed[/]" if outcome.blessed else "[red]not blessed[/]"
    serving = "[green]passed[/]" if outcome.serving_ready else "[red]failed[/]"
    lines = [
        *_warning_lines(outcome),
        f"verdict   {verdict}: {escape(outcome.reasons['CocoEvaluator'])}",
        f"serving   {serving}: {escape(outcome.reasons['ServingValidator'])}",
        f"metrics   {metrics}",
    ]
    if outcome.pushed_to:
        lines.append(
            f"model     [green]{_when(outcome)}[/] {escape(outcome.pushed_to)}"
        )
    else:
        lines.append("model     [red]not pushed[/]; the trained one stays in")
        lines.append(f"          {escape(outcome.model)}")
    lines += [
        f"report    {escape(outcome.report)}",
        *([f"tuned     {escape(outcome.tuned)}"] if outcome.tuned else []),
        *([f"cost      {cost.told(outcome.cost)}"] if outcome.cost else []),
        f"curves    tensorboard --logdir {escape(outcome.tensorboard)}",
        f"lineage   m2f lineage --workspace {escape(str(space.root))}",
    ]
    return lines


def _warning_lines(outcome: Outcome) -> list[str]:
    lines = []
    for warning in outcome.warnings[:_MOST_WARNINGS]:
        cut = len(warning) > _LONGEST_WARNING
        text = f"{warning[: _LONGEST_WARNING - 3]}..." if cut else warning
        lines.append(
            f"data      [yellow]warning[/]: {escape(terminal_text.printable(text))}"
        )
    hidden = len(outcome.warnings) - len(lines)
    if hidden:
        lines.append(f"          and {hidden} more warning(s)")
    lines.append(f"data      {escape(outcome.data_report)}")
    return lines


def _when(outcome: Outcome) -> str:
    if outcome.restored:
        return "was pushed by an earlier run, was gone, and is back in"
    return "pushed to" if outcome.pushed_now else "pushed by an earlier run to"
