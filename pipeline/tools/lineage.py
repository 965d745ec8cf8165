"""Traces a pushed model to its data, configuration, code and verdict."""

import dataclasses
import json
import pathlib
from typing import Any

import rich.tree
import yaml
from rich.markup import escape

from components import wire
from foundation import artifact_paths, errors
from model import tune_section
from model.serve import model_folder
from model.train import cost
from pipeline.metadata import store


@dataclasses.dataclass(frozen=True)
class Trace:
    """The executions that led to a pushed model, and what judged it."""

    pushed: store.Artifact
    pusher: store.Execution
    trainer: store.Execution
    evaluator: store.Execution
    validator: store.Execution
    transform: store.Execution
    example_gen: store.Execution
    gate: store.Execution | None


def tree(metadata: store.Store, model: artifact_paths.Path | None) -> rich.tree.Tree:
    """Draws the trace of `model`, or of the model pushed last.

    Raises:
        UserError: when the metadata store knows of no such push.
    """
    return _draw(trace(metadata, model))


def trace(metadata: store.Store, model: artifact_paths.Path | None) -> Trace:
    """Walks from a pushed model to the examples it was trained on.

    Raises:
        UserError: when the metadata store knows of no such push.
    """
    pushed = _find(metadata, model)
    pusher = metadata.producer(pushed.artifact_id)
    blessing = pusher.inputs[wire.MODEL_BLESSING][0]
    infra_blessing = pusher.inputs[wire.INFRA_BLESSING][0]
    trainer = metadata.producer(pusher.inputs[wire.MODEL][0].artifact_id)
    transform = metadata.producer(trainer.inputs[wire.TRANSFORM_GRAPH][0].artifact_id)
    example_gen = metadata.producer(trainer.inputs[wire.EXAMPLES][0].artifact_id)
    report = example_gen.outputs[wire.REPORT][0]
    gates = [  # oldest first: the one that decided, not those that found it cached
        execution
        for execution in metadata.consumers(report.artifact_id)
        if wire.VERDICT in execution.outputs
    ]
    return Trace(
        pushed=pushed,
        pusher=pusher,
        trainer=trainer,
        evaluator=metadata.producer(blessing.artifact_id),
        validator=metadata.producer(infra_blessing.artifact_id),
        transform=transform,
        example_gen=example_gen,
        gate=gates[0] if gates else None,
    )


def _find(metadata: store.Store, model: artifact_paths.Path | None) -> store.Artifact:
    pushed = [
        artifact
        for artifact in metadata.artifacts("PushedModel")
        if artifact.properties.get(wire.PUSHED) == 1
    ]
    if not pushed:
        raise errors.UserError(
            "this metadata store knows of no pushed model. `m2f run`, `m2f demo` and "
            "a run on Kubeflow push one once it is blessed."
        )
    if model is None:
        return pushed[-1]
    is_folder = isinstance(model, pathlib.Path)
    wanted = model.absolute() if is_folder else model
    for artifact in reversed(pushed):
        destination = artifact_paths.of(_destination(artifact))
        if wanted in (destination, destination.parent):
            return artifact
    known = "\n  ".join(_destination(artifact) for artifact in pushed[-20:])
    raise errors.UserError(
        f"{model}: this metadata store knows of no such push. Pushed were:\n  {known}"
    )


def _destination(pushed: store.Artifact) -> str:
    return str(pushed.properties[wire.PUSHED_DESTINATION])


def _draw(found: Trace) -> rich.tree.Tree:
    root = rich.tree.Tree(f"[bold]{_destination(found.pushed)}[/]")
    root.add(f"pushed by {_who(found.pusher)}")
    evaluation = found.evaluator.outputs[wire.EVALUATION][0]
    blessing = found.evaluator.outputs[wire.BLESSING][0]
    verdict = root.add(f"verdict {_blessed(blessing)}: {_reason(blessing)}")
    verdict.add(f"given by {_who(found.evaluator)}")
    verdict.add("metrics " + _metrics(evaluation))
    verdict.add("baseline " + _baseline(found.evaluator))
    verdict.add(f"report {escape(evaluation.uri)}")
    infra = found.validator.outputs[wire.BLESSING][0]
    root.add(f"serving check {_blessed(infra)}: {_reason(infra)}").add(
        f"given by {_who(found.validator)}"
    )
    _draw_model(root, found)
    return root


def _draw_model(root: rich.tree.Tree, found: Trace) -> None:
    settings, info = _custom_config(found.trainer)
    tuned = _tuned(found.trainer)
    settings = tune_section.overlay(settings, tuned)
    model = found.trainer.outputs[wire.MODEL][0]
    node = root.add(f"model #{model.artifact_id} {escape(model.uri)}")
    node.add(f"trained by {_who(found.trainer)}")
    node.add(_cost(found))
    node.add(f"code digest {info.get(wire.CODE_DIGEST, 'unknown')}")
    if start := settings.get("train", {}).get("init_from"):
        content = info.get(wire.INITIAL_WEIGHTS, "unknown")
        node.add(f"started from {escape(str(start))} (SHA-256 {content[:16]})")
    if tuned:
        node.add(f"tuned {escape(tune_section.told(tuned))}")
    configuration = node.add(f"config {settings.get('name', '')}")
    text = yaml.safe_dump(
        {key: value for key, value in settings.items() if key != "name"},
        default_flow_style=None,
        sort_keys=False,
        width=100,
    )
    configuration.add(escape(text.rstrip()))
    graph = found.transform.outputs[wire.TRANSFORM_GRAPH][0]
    node.add(f"transform graph #{graph.artifact_id} by {_who(found.transform)}")
    _draw_examples(node, found)


def _cost(found: Trace) -> str:
    """What the training took, over all its restarts."""
    model = artifact_paths.of(found.trainer.outputs[wire.MODEL][0].uri)
    places = [
        model / wire.SERVING_FOLDER,
        artifact_paths.of(_destination(found.pushed)),
    ]
    for place in places:
        # A store would be asked over the network, maybe without a key to it.
        known = isinstance(place, pathlib.Path) and model_folder.training_of(place)
        if known and known.get("cost"):
            return f"cost {cost.told(known['cost'])}"
    return f"cost unknown here; the model keeps it: {escape(str(places[-1]))}"


def _draw_examples(node: rich.tree.Tree, found: Trace) -> None:
    examples = found.example_gen.outputs[wire.EXAMPLES][0]
    data = node.add(f"examples #{examples.artifact_id} by {_who(found.example_gen)}")
    for folder in _data_folders(found.example_gen):
        data.add(f"data {escape(folder)}")
    fingerprint = examples.properties.get(wire.INPUT_FINGERPRINT, "unknown")
    data.add(f"data fingerprint {escape(str(fingerprint))}")
    data.add(f"code digest {found.example_gen.properties.get(wire.CODE_DIGEST)}")
    if found.gate is not None:
        verdict = found.gate.outputs[wire.VERDICT][0]
        told = escape(str(verdict.properties.get(wire.VERDICT_SUMMARY, "")))
        data.add(f"data gate passed, {_who(found.gate)}: {told}")


def _data_folders(example_gen: store.Execution) -> list[str]:
    """The folders that were read, with the spans and versions that were found."""
    base = str(example_gen.properties.get(wire.INPUT_BASE))
    config = json.loads(str(example_gen.properties.get(wire.INPUT_CONFIG, "{}")))
    below = [pathlib.PurePath(s["pattern"]).parent for s in config.get("splits", [])]
    return [str(pathlib.PurePath(base) / folder) for folder in below] or [base]


def _custom_config(trainer: store.Execution) -> tuple[dict, dict[str, str]]:
    """The run's configuration as the model carries it, and what else it carries."""
    custom = json.loads(str(trainer.properties.get(wire.CUSTOM_CONFIG, "{}")))
    info = custom.get(wire.TRAINER_INFO, {})
    # Models of earlier versions have all of it in what the Trainer was told.
    text = info.get(wire.TRAINER_CONFIG) or custom.get(wire.TRAINER_CONFIG, "{}")
    return json.loads(text), info


def _tuned(trainer: store.Execution) -> dict[str, Any]:
    """The values that the Trainer took from a Tuner; empty where they are not here."""
    for artifact in trainer.inputs.get(wire.HYPERPARAMETERS, []):
        file = artifact_paths.of(artifact.uri) / wire.HYPERPARAMETERS_FILE
        # A store would be asked over the network, maybe without a key to it.
        if isinstance(file, pathlib.Path) and file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))["values"]
    return {}


def _who(execution: store.Execution) -> str:
    return (
        f"{execution.node_id} (execution {execution.execution_id}, "
        f"run {execution.run_id[:19]})"
    )


def _blessed(blessing: store.Artifact) -> str:
    good = blessing.properties.get(wire.BLESSED) == 1
    return "[green]blessed[/]" if good else "[red]not blessed[/]"


def _reason(artifact: store.Artifact) -> str:
    return escape(str(artifact.properties.get(wire.REASON, "")))


def _metrics(evaluation: store.Artifact) -> str:
    numbers = {
        key: value
        for key, value in sorted(evaluation.properties.items())
        if isinstance(value, float)
    }
    return ", ".join(f"{key} {value:.4f}" for key, value in numbers.items()) or "none"


def _baseline(evaluator: store.Execution) -> str:
    models = evaluator.inputs.get(wire.BASELINE_MODEL, [])
    if not models:
        return "none: no other model was blessed before"
    return f"model #{models[0].artifact_id} {escape(models[0].uri)}"
