"""What `m2f run` answers to data and workspaces it cannot use."""

import json
import pathlib
import shutil

import pytest
from typer import testing

from pipeline.cli import cli
from pipeline.local import workspace
from pipeline.toy import toy_coco


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "coco"
    return toy_coco.generate(folder, num_train=4, num_eval=2, size=64)


@pytest.fixture
def data(toy, tmp_path):
    return shutil.copytree(toy, tmp_path / "coco")


def m2f(*arguments):
    return testing.CliRunner().invoke(cli.app, [str(each) for each in arguments])


def run(data, tmp_path, *more):
    space = tmp_path / "workspace"
    return m2f(
        "run", "--data", data, "--config", "demo.yaml", "--workspace", space, *more
    )


def assert_refused(done, *wanted):
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    for text in wanted:
        assert text in done.stderr


def test_json_that_is_not_coco_is_refused_by_name(data, tmp_path):
    path = data / "annotations" / "instances_train.json"
    path.write_text(json.dumps({"shapes": []}))
    assert_refused(run(data, tmp_path), "instances_train.json")


def test_a_folder_without_annotations_is_told_what_was_looked_for(tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(run(tmp_path / "empty", tmp_path), "no annotations found")


@pytest.mark.parametrize("fault", ["missing_image", "broken_image"])
def test_a_lost_or_broken_image_stops_the_run_with_the_key_to_allow_it(
    data, tmp_path, fault
):
    victim = sorted((data / "train").glob("*.jpg"))[0]
    victim.unlink() if fault == "missing_image" else victim.write_bytes(b"no image")
    allow = f"--set data.gate.problems.{fault}.limit=1"
    assert_refused(run(data, tmp_path), victim.name, allow)


def test_a_workspace_in_use_is_refused(data, tmp_path):
    space = workspace.Workspace(tmp_path / "workspace")
    space.create()
    with space.locked():
        assert_refused(run(data, tmp_path), "in use by process")


def test_a_workspace_inside_the_data_is_refused(data):
    assert_refused(run(data, data), "lies inside --data")


def test_every_data_folder_is_looked_at_before_anything_runs(data, tmp_path):
    missing = run(data, tmp_path, "--data", tmp_path / "nowhere")
    assert_refused(missing, f"--data {tmp_path / 'nowhere'}: does not exist")
    other = shutil.copytree(data, tmp_path / "other")
    inside = run(data, other, "--data", other)
    assert_refused(inside, f"lies inside --data {other}")
    assert not (tmp_path / "workspace").exists()


def test_a_data_folder_given_twice_is_refused(data, tmp_path):
    assert_refused(run(data, tmp_path, "--data", data), "lies inside of", "twice")


def test_metadata_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "metadata.sqlite").write_bytes(b"garbage, not a database " * 50)
    assert_refused(m2f("lineage", "--workspace", tmp_path), "not readable as ML")


def test_a_path_that_no_file_system_takes_is_refused(tmp_path):
    assert_refused(run("a" * 300, tmp_path), "a" * 300)


def test_a_failing_node_is_one_message_with_the_log_and_exit_code_1(
    data, tmp_path, monkeypatch
):
    from components.coco_example_gen.read import annotations

    def fail(*_):
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(annotations, "read_splits", fail)
    done = run(data, tmp_path)
    assert done.exit_code == 1
    assert "CocoExampleGen failed: ZeroDivisionError: a bug of ours" in done.stderr
    log = done.stderr.strip().split(": ")[-1]
    assert "Traceback" in pathlib.Path(log).read_text()


@pytest.mark.parametrize(
    ("overrides", "lacking"),
    [
        ([], "tune.trials and tune.search"),
        (["--set", "tune.search={train.xla: {values: [true]}}"], "tune.trials: not"),
        (["--set", "tune.trials=2"], "tune.search empty"),
    ],
)
def test_tuning_nothing_is_refused_with_an_example(data, tmp_path, overrides, lacking):
    done = m2f(
        *("tune", "--data", data, "--config", "demo.yaml"),
        *("--workspace", tmp_path / "workspace", *overrides),
    )
    assert_refused(done, lacking, "tune: {trials: 8", "train.learning_rate")
    assert not (tmp_path / "workspace").exists()
