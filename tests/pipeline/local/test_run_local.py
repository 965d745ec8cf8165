"""The whole graph, in miniature: a dozen images, two training steps."""

import json
import pathlib
import shutil
import signal

import pytest
import tiny
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from foundation import errors, progress
from model.serve import saved_model
from pipeline.local import run_local, summary, workspace
from pipeline.metadata import store
from pipeline.settings import config_file
from pipeline.tools import lineage
from pipeline.toy import toy_coco


class Quiet:
    def started(self, node_id, position, total):
        pass

    def finished(self, node_id, state, seconds):
        pass


def run(data, space, *overrides):
    settings = config_file.load("demo.yaml", (*tiny.OVERRIDES, *overrides))
    result = run_local.run(settings, [data], space, Quiet())
    outcome = summary.read(store.Store.open(space.metadata), result.run_id)
    return {node.node_id: node.state for node in result.nodes}, outcome


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return toy_coco.generate(
        tmp_path_factory.mktemp("toy") / "coco", num_train=8, num_eval=4, size=64
    )


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    found = workspace.Workspace(tmp_path_factory.mktemp("workspace"))
    found.create()
    return found


@pytest.fixture(scope="module")
def first(data, space):
    return run(data, space)


def executions(space):
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(space.metadata)
    return metadata_store.MetadataStore(config).get_executions()


def test_the_graph_ends_in_a_pushed_model(first):
    states, outcome = first
    assert set(states.values()) == {"ran", "resolved"}
    assert outcome.blessed
    assert outcome.serving_ready
    assert (pathlib.Path(outcome.pushed_to) / "saved_model.pb").is_file()


@pytest.mark.slow
def test_epochs_become_steps_once_the_images_are_counted(first, data, space):
    epoch = ("train.steps=null", "train.epochs=1", "train.batch_size=4")
    assert run(data, space, "name=counted", *epoch)[0]["Trainer"] == "ran"
    (model,) = space.root.glob("artifacts/counted/Trainer/model/*/Format-Serving")
    info = saved_model.read_info(model)
    training = json.loads(info["training"])
    assert (training["planned_steps"], training["steps"]) == (2, 2)  # 8 images by four
    assert json.loads(info["config"])["train"]["epochs"] == 1


def test_lineage_names_fingerprint_config_code_metrics_and_verdict(first, space, data):
    from rich import console

    terminal = console.Console(record=True, width=200)
    terminal.print(lineage.tree(store.Store.open(space.metadata), None))
    text = terminal.export_text()
    assert str(data) in text
    assert "data fingerprint" in text
    assert "fingerprint unknown" not in text
    assert "num_queries: 5" in text
    assert "code digest" in text
    assert "code digest unknown" not in text
    assert "mask_ap " in text
    assert "blessed: " in text
    assert first[1].pushed_to in text


def test_lineage_of_a_model_that_was_not_pushed_names_those_that_were(first, space):
    with pytest.raises(errors.UserError, match="Pushed were") as caught:
        lineage.trace(store.Store.open(space.metadata), pathlib.Path("elsewhere"))
    assert first[1].pushed_to in str(caught.value)


def test_an_unchanged_second_run_is_all_cache_hits(first, data, space):
    states, outcome = run(data, space)
    for resolver in ("LatestBlessedModel", "PreviousStatistics"):
        states.pop(resolver)
    assert set(states.values()) == {"cached"}
    assert outcome.pushed_to == first[1].pushed_to
    assert not outcome.pushed_now


def test_a_worse_model_is_neither_blessed_nor_pushed_and_the_reason_is_kept(
    first, data, space
):
    states, outcome = run(data, space, "evaluate.min_mask_ap=0.99")
    assert states["Trainer"] == "cached"
    assert states["CocoEvaluator"] == "ran"
    assert not outcome.blessed
    assert outcome.pushed_to is None
    assert "0.99" in outcome.reasons["CocoEvaluator"]
    versions = list((space.serving / "tiny").iterdir())
    assert [str(version) for version in versions] == [first[1].pushed_to]


def test_a_broken_image_stops_at_the_gate_with_a_table(first, data, space, tmp_path):
    broken = tmp_path / "coco"
    shutil.copytree(data, broken)
    victim = sorted((broken / "train").glob("*.jpg"))[0]
    victim.write_bytes(b"no image")
    with pytest.raises(errors.DataGateError) as caught:
        run(broken, space)
    message = str(caught.value)
    assert victim.name in message
    assert "data.gate.problems.broken_image.limit=1" in message
    allowed = config_file.load(
        "demo.yaml", (*tiny.OVERRIDES, "data.gate.problems.broken_image.limit=1")
    )
    seen = StopAfter("DataGate")
    with pytest.raises(StopAfter.Reached):
        run_local.run(allowed, [broken], space, seen)
    assert seen.states["CocoExampleGen"] == "cached"
    assert seen.states["DataGate"] == "ran"


class StopAfter:
    """An observer that ends the run once a node has finished."""

    class Reached(Exception):
        pass

    def __init__(self, node_id):
        self.node_id = node_id
        self.states = {}

    def started(self, node_id, position, total):
        pass

    def finished(self, node_id, state, seconds):
        self.states[node_id] = state
        if node_id == self.node_id:
            raise self.Reached


class InterruptAt:
    """A reporter that presses Ctrl-C when a bar with this name opens."""

    def __init__(self, description):
        self.description = description

    def start(self, description, total, done=0):
        if description == self.description:
            signal.raise_signal(signal.SIGINT)
        return progress.LineTask(description, total, done)

    def finish(self, task):
        pass

    def tell(self, line):
        pass


def test_a_changed_annotation_trains_again_and_ctrl_c_leaves_nothing_half_made(
    first, data, space, monkeypatch
):
    path = data / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["category_id"] = 22
    path.write_text(json.dumps(content))

    monkeypatch.setattr(progress, "_reporter", InterruptAt("Training"))
    with pytest.raises(KeyboardInterrupt):
        run(data, space)
    running = metadata_store_pb2.Execution.RUNNING
    assert not [e for e in executions(space) if e.last_known_state == running]
    interrupted = max(execution.id for execution in executions(space))
    trainer = space.artifacts / "tiny" / "Trainer"
    assert not list(trainer.glob(f"*/{interrupted}"))

    monkeypatch.undo()
    states, outcome = run(data, space)
    assert states["CocoExampleGen"] == "cached"  # done before Ctrl-C
    assert states["Trainer"] == "ran"
    assert outcome.blessed
    assert outcome.pushed_to != first[1].pushed_to
    assert "baseline" in outcome.reasons["CocoEvaluator"]


@pytest.mark.slow
def test_a_training_that_starts_from_the_pushed_model_names_it_and_another_trains_anew(
    first, data, space
):
    from rich import console

    versions = space.serving / "tiny"
    version = max(versions.iterdir(), key=lambda each: int(each.name))
    start = f"train.init_from={versions}"
    own = ("name=second", "serve.model_name=second", start)
    states, outcome = run(data, space, *own)
    assert states["Trainer"] == "ran"
    terminal = console.Console(record=True, width=200)
    found = store.Store.open(space.metadata)
    terminal.print(lineage.tree(found, pathlib.Path(outcome.pushed_to)))
    assert f"started from {version} (SHA-256 " in terminal.export_text()
    assert run(data, space, *own)[0]["Trainer"] == "cached"
    # The same content as a newer version is another start, that the lineage names.
    shutil.copytree(version, version.with_name(str(int(version.name) + 1)))
    assert run(data, space, *own)[0]["Trainer"] == "ran"


SEARCH = "{train.learning_rate: {min: 0.0001, max: 0.01, scale: log}}"


@pytest.mark.slow
def test_the_best_of_the_trials_is_trained_with_and_a_second_run_tunes_nothing(
    data, tmp_path
):
    space = workspace.Workspace(tmp_path)
    space.create()
    tune = ("train.steps=3", "tune.trials=2", "tune.steps=2", f"tune.search={SEARCH}")
    states, outcome = run(data, space, *tune)
    assert (states["Tuner"], states["Trainer"]) == ("ran", "ran")
    assert "of 2 trials that came to an end" in outcome.tuned
    (results,) = tmp_path.glob("artifacts/**/tuner_results.json")
    best, other = json.loads(results.read_text())
    assert best["score"] >= other["score"]
    info = saved_model.read_info(pathlib.Path(outcome.model) / "Format-Serving")
    trained = json.loads(info["config"])["train"]
    assert trained["learning_rate"] == best["train.learning_rate"]
    assert trained["steps"] == 3, "the length is the Trainer's own"
    assert not any((results.parents[2] / "unfinished").iterdir())
    states, _ = run(data, space, *tune)
    assert (states["Tuner"], states["Trainer"]) == ("cached", "cached")
