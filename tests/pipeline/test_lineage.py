import io
import json
import pathlib

import pytest
import rich.console
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline import errors, lineage, store


def written(path):
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return metadata_store.MetadataStore(config)


def set_properties(row, values):
    kinds = {int: "int_value", float: "double_value", str: "string_value"}
    for key, value in values.items():
        setattr(row.custom_properties[key], kinds[type(value)], value)
    return row


def artifact(type_name, uri="", **properties):
    return set_properties(pb.Artifact(type=type_name, uri=uri), properties)


def record(ml, run, node, inputs, outputs, state="COMPLETE", **properties):
    """Writes one execution as TFX does; gives its outputs their ids."""
    kind = ml.put_execution_type(pb.ExecutionType(name=node))
    row = pb.Execution(type_id=kind, last_known_state=state)
    pairs, contexts = [], []
    for event_type, side in ((pb.Event.INPUT, inputs), (pb.Event.OUTPUT, outputs)):
        for key, item in side.items():
            item.type_id = ml.put_artifact_type(pb.ArtifactType(name=item.type))
            event = pb.Event(type=event_type)
            event.path.steps.add().key = key
            event.path.steps.add().index = 0
            pairs.append((item, event))
    names = {"pipeline": "demo", "pipeline_run": run, "node": f"demo.{node}"}
    for name, value in names.items():
        type_id = ml.put_context_type(pb.ContextType(name=name))
        contexts.append(pb.Context(type_id=type_id, name=value))
    made, ids, _ = ml.put_execution(
        set_properties(row, properties),
        pairs,
        contexts,
        reuse_context_if_already_exist=True,
    )
    for (item, _), artifact_id in zip(pairs, ids, strict=True):
        item.id = artifact_id
    return made


def run(ml, name, *, pushed=1, baseline=None):
    """Writes a run of all nodes, whose artifacts carry its name.

    Returns:
        The model, and the execution ids by node id.
    """
    examples = artifact("Examples", input_fingerprint=f"print of {name}")
    report, graph = artifact("DataReport"), artifact("TransformGraph")
    model = artifact("Model", f"/model/{name}")
    verdict = artifact("ModelBlessing", blessed=1, reason=f"{name} [won]")
    evaluation = artifact("Evaluation", "/report", mask_ap=0.25, num_images=8)
    infra = artifact("InfraBlessing", blessed=0, reason="too slow")
    destination = f"/serving/demo/{name}"
    push = artifact("PushedModel", pushed=pushed, pushed_destination=destination)
    settings = json.dumps({"name": f"small {name}", "steps": 12})
    config = json.dumps({"config": settings, "info": {"code_digest": "abc"}})
    against = {} if baseline is None else {"baseline_model": baseline}
    nodes = {
        "Gen": ({}, {"examples": examples, "report": report}, {"input_base": "/coco"}),
        "Statistics": ({"report": report}, {}, {}),
        "DataGate": ({"report": report}, {"verdict": artifact("Verdict")}, {}),
        "Transform": ({"examples": examples}, {"transform_graph": graph}, {}),
        "Trainer": (
            {"examples": examples, "transform_graph": graph},
            {"model": model},
            {"custom_config": config},
        ),
        "Evaluator": (
            {"model": model, **against},
            {"blessing": verdict, "evaluation": evaluation},
            {},
        ),
        "Validator": ({"model": model}, {"blessing": infra}, {}),
        "Pusher": (
            {"model": model, "model_blessing": verdict, "infra_blessing": infra},
            {"pushed_model": push},
            {},
        ),
    }
    made = {
        node: record(ml, name, node, inputs, outputs, **properties)
        for node, (inputs, outputs, properties) in nodes.items()
    }
    found_cached = {"verdict": artifact("Verdict")}
    record(ml, f"{name} again", "DataGate", {"report": report}, found_cached, "CACHED")
    return model, made


@pytest.fixture
def ml(tmp_path):
    return written(tmp_path / "metadata.sqlite")


def opened(tmp_path):
    return store.Store.open(tmp_path / "metadata.sqlite")


def test_the_trace_of_each_pushed_model_stays_within_its_own_run(ml, tmp_path):
    made = {"1": run(ml, "1")[1], "2": run(ml, "2")[1]}
    run(ml, "3", pushed=0)
    wanted = {"/serving/demo/1": "1", "/serving/demo/2": "2", "/serving/demo": "2"}
    for path, name in [*wanted.items(), (None, "2")]:
        model = None if path is None else pathlib.Path(path)
        found = lineage.trace(opened(tmp_path), model)
        assert found.pushed.properties["pushed_destination"] == f"/serving/demo/{name}"
        executions = {
            "Gen": found.example_gen,
            "DataGate": found.gate,
            "Transform": found.transform,
            "Trainer": found.trainer,
            "Evaluator": found.evaluator,
            "Validator": found.validator,
            "Pusher": found.pusher,
        }
        for node, execution in executions.items():
            assert (execution.node_id, execution.run_id) == (node, name)
            assert execution.execution_id == made[name][node]


def test_the_tree_tells_verdict_baseline_configuration_and_data(ml, tmp_path):
    first, _ = run(ml, "1")
    run(ml, "2", baseline=first)
    texts = []
    for name in ("1", "2"):
        console = rich.console.Console(file=io.StringIO(), width=200)
        model = pathlib.Path(f"/serving/demo/{name}")
        console.print(lineage.tree(opened(tmp_path), model))
        texts.append(console.file.getvalue())
    assert "baseline none: no other model was blessed before" in texts[0]
    assert f"baseline model #{first.id} /model/1" in texts[1]
    for line in (
        "verdict blessed: 2 [won]",
        "metrics mask_ap 0.2500",
        "serving check not blessed: too slow",
        "config small 2",
        "steps: 12",
        "code digest abc",
        "data /coco",
        "data fingerprint print of 2",
    ):
        assert line in texts[1]


def test_a_model_that_was_not_pushed_is_refused_with_those_that_were(ml, tmp_path):
    run(ml, "3", pushed=0)
    with pytest.raises(errors.UserError, match="knows of no pushed model"):
        lineage.trace(opened(tmp_path), None)
    run(ml, "1")
    with pytest.raises(errors.UserError) as caught:
        lineage.trace(opened(tmp_path), pathlib.Path("/serving/demo/3"))
    assert str(caught.value).splitlines() == [
        "/serving/demo/3: this metadata store knows of no such push. Pushed were:",
        "  /serving/demo/1",
    ]
