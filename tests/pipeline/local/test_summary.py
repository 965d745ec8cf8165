import io
import json
import shutil

import mlmd
import pytest
import rich.console
import told_cost

from pipeline.local import run_local, summary, workspace
from pipeline.metadata import store
from pipeline.nodes import node_launch


def finished(folder, *, blessed, pusher="COMPLETE", warnings=()):
    """A store with one run, whose pushed version is there when it was blessed."""
    model = mlmd.artifact("Model", str(folder / "model"))
    version = folder / "serving" / "demo" / "17"
    pushed = mlmd.artifact("PushedModel", str(folder / "pushed"), pushed=int(blessed))
    for copy in (folder / "pushed", version):
        copy.mkdir(parents=True)
        (copy / "saved_model.pb").write_bytes(b"graph")
    if blessed:
        mlmd.set_properties(pushed, {"pushed_destination": str(version)})
    evaluation = mlmd.artifact(
        "Evaluation", "/report", mask_ap=0.25, num_images=8, other=1
    )
    verdict = mlmd.artifact("ModelBlessing", blessed=int(blessed), reason="AP [0.25]")
    infra = mlmd.artifact("InfraBlessing", blessed=1, reason="it answers")
    curves = mlmd.artifact("ModelRun", "/curves")
    ml = mlmd.written(folder / "metadata.sqlite")
    ingestion = mlmd.artifact("Report", "/ingestion")
    mlmd.record(ml, "monday", "CocoExampleGen", {}, {"report": ingestion})
    gate = mlmd.artifact("DataVerdict", str(folder / "gate"))
    (folder / "gate").mkdir()
    content = json.dumps({"warnings": list(warnings)})
    (folder / "gate" / "verdict.json").write_text(content)
    mlmd.record(ml, "monday", "DataGate", {"report": ingestion}, {"verdict": gate})
    mlmd.record(ml, "monday", "Trainer", {}, {"model": model, "model_run": curves})
    outputs = {"evaluation": evaluation, "blessing": verdict}
    mlmd.record(ml, "monday", "CocoEvaluator", {"model": model}, outputs)
    mlmd.record(ml, "monday", "ServingValidator", {"model": model}, {"blessing": infra})
    inputs = {"model": model}
    mlmd.record(ml, "monday", "Pusher", inputs, {"pushed_model": pushed}, pusher)
    return store.Store.open(folder / "metadata.sqlite")


def shown(folder, outcome):
    console = rich.console.Console(file=io.StringIO(), width=100)
    nodes = [
        node_launch.NodeResult("Trainer", "ran", 61.0),
        node_launch.NodeResult("Pusher", "ran", 4.2),
    ]
    space = workspace.Workspace(folder)
    summary.show(console, run_local.RunResult("monday", nodes), outcome, space)
    return console.file.getvalue()


def test_a_pushed_run_names_its_numbers_reasons_and_folders(tmp_path):
    outcome = summary.read(finished(tmp_path, blessed=True), "monday")
    version = str(tmp_path / "serving" / "demo" / "17")
    assert outcome == summary.Outcome(
        blessed=True,
        serving_ready=True,
        pushed_to=version,
        pushed_now=True,
        restored=False,
        warnings=[],
        data_report="/ingestion/report.html",
        reasons={"CocoEvaluator": "AP [0.25]", "ServingValidator": "it answers"},
        metrics={"mask_ap": 0.25, "num_images": 8.0},
        report="/report",
        model=str(tmp_path / "model"),
        tensorboard="/curves",
    )
    text = shown(tmp_path, outcome)
    assert "1 min 05 s" in text  # 61.0 + 4.2
    assert "verdict   blessed: AP [0.25]\n" in text
    assert "data      /ingestion/report.html\n" in text
    assert "warning" not in text
    assert "metrics   mask_ap 0.250, num_images 8\n" in text
    assert f"model     pushed to {version}\n" in text
    assert "cost" not in text  # models of earlier versions do not say


def test_the_cost_of_the_training_is_told(tmp_path):
    told_cost.telling_model(tmp_path / "model" / "Format-Serving")
    outcome = summary.read(finished(tmp_path, blessed=False), "monday")
    assert outcome.cost == told_cost.COST
    assert f"cost      {told_cost.TOLD}" in shown(tmp_path, outcome)


def test_a_refused_run_says_where_the_trained_model_stays(tmp_path):
    outcome = summary.read(finished(tmp_path, blessed=False), "monday")
    assert outcome.pushed_to is None
    assert not outcome.pushed_now
    text = shown(tmp_path, outcome)
    assert "verdict   not blessed: AP [0.25]\n" in text
    assert "serving   passed: it answers\n" in text
    assert f"not pushed; the trained one stays in\n          {tmp_path}/model\n" in text


@pytest.mark.parametrize("lost", [False, True])
def test_a_cached_push_is_an_earlier_runs_and_is_put_back_when_gone(tmp_path, lost):
    metadata = finished(tmp_path, blessed=True, pusher="CACHED")
    version = tmp_path / "serving" / "demo" / "17"
    if lost:
        shutil.rmtree(version)
    outcome = summary.read(metadata, "monday")
    assert (outcome.pushed_now, outcome.restored) == (False, lost)
    assert (version / "saved_model.pb").read_bytes() == b"graph"
    said = "was gone, and is back in" if lost else "model     pushed by an earlier run"
    assert said in shown(tmp_path, outcome)


def test_a_few_warnings_of_the_data_gate_are_told_in_a_line_each(tmp_path):
    warnings = ["drift [0.25] of class frequencies", "w" * 500, "third", "a", "b"]
    metadata = finished(tmp_path, blessed=True, warnings=warnings)
    lines = shown(tmp_path, summary.read(metadata, "monday")).splitlines()
    told = [line for line in lines if line.startswith("data      warning: ")]
    assert told == [
        "data      warning: drift [0.25] of class frequencies",
        f"data      warning: {'w' * 157}...",
        "data      warning: third",
    ]
    assert "          and 2 more warning(s)" in lines


def test_a_tuned_run_names_the_best_values_and_the_trials(tmp_path):
    metadata = finished(tmp_path, blessed=True)
    rows = [
        {"trial_id": "1", "score": 0.25, "train.learning_rate": 0.001},
        {"trial_id": "0", "score": 0.125, "train.learning_rate": 0.01},
    ]
    (tmp_path / "tuner_results.json").write_text(json.dumps(rows))
    results = mlmd.artifact("TunerResults", str(tmp_path))
    ml = mlmd.written(tmp_path / "metadata.sqlite")
    mlmd.record(ml, "monday", "Tuner", {}, {"tuner_results": results})
    text = shown(tmp_path, summary.read(metadata, "monday"))
    assert "tuned     train.learning_rate 0.001: mask AP 0.250, the best of 2" in text
