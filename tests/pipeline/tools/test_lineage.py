import io
import json
import pathlib

import mlmd
import pytest
import rich.console
import told_cost

from foundation import artifact_paths, errors
from pipeline.metadata import store
from pipeline.tools import lineage


def run(
    ml,
    name,
    *,
    pushed=1,
    baseline=None,
    serving="/serving/demo",
    start=None,
    tuned=None,
):
    """Writes a run of all nodes, whose artifacts carry its name.

    Returns:
        The model, and the execution ids by node id.
    """
    examples = mlmd.artifact("Examples", input_fingerprint=f"print of {name}")
    report, graph = (
        mlmd.artifact("DataReport"),
        mlmd.artifact("TransformGraph"),
    )
    model = mlmd.artifact("Model", f"/model/{name}")
    verdict = mlmd.artifact("ModelBlessing", blessed=1, reason=f"{name} [won]")
    evaluation = mlmd.artifact("Evaluation", "/report", mask_ap=0.25, num_images=8)
    infra = mlmd.artifact("InfraBlessing", blessed=0, reason="too slow")
    destination = f"{serving}/{name}"
    push = mlmd.artifact("PushedModel", pushed=pushed, pushed_destination=destination)
    recipe = {"name": f"small {name}", "steps": 12, "train": {"init_from": start}}
    info = {"code_digest": "abc", "initial_weights": "0123456789abcdef" * 4}
    config = json.dumps({"config": json.dumps(recipe), "info": info})
    patterns = [{"pattern": "a/day-7/*"}, {"pattern": "b/*"}]
    data = {"input_base": "/coco", "input_config": json.dumps({"splits": patterns})}
    against = {} if baseline is None else {"baseline_model": baseline}
    nodes = {
        "Gen": ({}, {"examples": examples, "report": report}, data),
        "Statistics": ({"report": report}, {}, {}),
        "DataGate": (
            {"report": report},
            {"verdict": mlmd.artifact("Verdict", summary="30 checks; 1 warned [a]")},
            {},
        ),
        "Transform": ({"examples": examples}, {"transform_graph": graph}, {}),
        "Trainer": (
            {"examples": examples, "transform_graph": graph, **(tuned or {})},
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
        node: mlmd.record(ml, name, node, inputs, outputs, **properties)
        for node, (inputs, outputs, properties) in nodes.items()
    }
    found_cached = {
        "verdict": mlmd.artifact("Verdict", summary="30 checks; 1 warned [a]")
    }
    mlmd.record(
        ml, f"{name} again", "DataGate", {"report": report}, found_cached, "CACHED"
    )
    return model, made


@pytest.fixture
def ml(tmp_path):
    return mlmd.written(tmp_path / "metadata.sqlite")


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


def test_a_model_that_was_pushed_to_a_bucket_is_found_by_its_address(ml, tmp_path):
    for name in ("1", "2"):
        run(ml, name, serving="gs://bucket/serving/demo")
    wanted = {"": "2", "/1": "1", "/2": "2"}
    for below, name in wanted.items():
        model = artifact_paths.of(f"gs://bucket/serving/demo{below}")
        assert lineage.trace(opened(tmp_path), model).pusher.run_id == name


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
        "data /coco/a/day-7",
        "data /coco/b",
        "data fingerprint print of 2",
    ):
        assert line in texts[1]
    assert ": 30 checks; 1 warned [a]\n" in texts[1]  # the gate, in its own words


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


def test_the_cost_is_read_from_the_model_that_was_pushed(ml, tmp_path):
    run(ml, "1", serving=tmp_path)
    run(ml, "2", serving="gs://bucket/serving/demo")
    told_cost.telling_model(tmp_path / "1")
    texts = []
    for place in (tmp_path / "1", artifact_paths.of("gs://bucket/serving/demo/2")):
        console = rich.console.Console(file=io.StringIO(), width=200)
        console.print(lineage.tree(opened(tmp_path), place))
        texts.append(console.file.getvalue())
    assert f"cost {told_cost.TOLD}" in texts[0]
    assert (
        "cost unknown here; the model keeps it: gs://bucket/serving/demo/2" in texts[1]
    )


def test_what_training_started_from_is_told(ml, tmp_path):
    run(ml, "1", start="serving/old/7")
    console = rich.console.Console(file=io.StringIO(), width=200)
    console.print(lineage.tree(opened(tmp_path), None))
    assert "started from serving/old/7 (SHA-256 0123456789abcdef)" in (
        console.file.getvalue()
    )


def test_tuned_values_stand_in_the_configuration_that_was_trained(ml, tmp_path):
    best = {"space": [], "values": {"train.learning_rate": 0.125}}
    (tmp_path / "best_hyperparameters.txt").write_text(json.dumps(best))
    artifact = mlmd.artifact("HyperParameters", str(tmp_path))
    mlmd.record(ml, "1", "Tuner", {}, {"best_hyperparameters": artifact})
    run(ml, "1", tuned={"hyperparameters": artifact})
    console = rich.console.Console(file=io.StringIO(), width=200)
    console.print(lineage.tree(opened(tmp_path), None))
    text = console.file.getvalue()
    assert "tuned train.learning_rate 0.125\n" in text
    assert "learning_rate: 0.125" in text
