"""The container's process: what it prints, its exit code, what it leaves behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline import compiled_graph, locations
from pipeline.cluster import run_node
from pipeline.metadata import metadata_url, store
from pipeline.nodes import attempts, ir
from pipeline.settings import config_file


def call(*arguments, **environment):
    """Runs a container to its end."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cluster.run_node", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
    )


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volume")
    (folder / "data").mkdir()
    return folder


@pytest.fixture(scope="module")
def url(volume):
    return f"sqlite:///{volume / 'metadata.db'}"


@pytest.fixture(scope="module")
def reference(volume, url):
    """What `prepare` wrote for a run called 1234."""
    settings = config_file.load("demo.yaml")
    elsewhere = locations.Locations(
        (str(volume / "data"),), volume / "elsewhere", volume / "serving"
    )
    digest = ir.graph_digest(compiled_graph.build(settings, elsewhere))
    done = call(
        "prepare",
        "--config-json",
        json.dumps(settings.model_dump(mode="json", exclude={"kubeflow"})),
        *("--overrides", "train.steps=3", "--data", volume / "data"),
        *("--root", volume / "artifacts", "--serving", volume / "serving"),
        *("--run-id", "1234", "--run-name", "nightly", "--graph-digest", digest),
        *("--reference-out", volume / "kfp" / "reference"),
        M2F_METADATA_URL=url,
    )
    assert done.returncode == 0, done.stderr
    return (volume / "kfp" / "reference").read_text()


def node(reference, url, node_id, *more):
    options = ("--node-id", node_id, "--run-id", "1234", "--reference", reference)
    return call("node", *options, *more, M2F_METADATA_URL=url)


@pytest.fixture
def blocked_schema(volume, reference):
    """Turns the schema into a pipe that nobody writes to, which opening waits for."""
    (schema,) = (volume / "artifacts" / "schemas").iterdir()
    content = schema.read_bytes()
    schema.unlink()
    os.mkfifo(schema)
    yield
    schema.unlink()
    schema.write_bytes(content)


@pytest.fixture
def hanging(volume, url, reference, blocked_schema):
    """A node that hangs in compiled code, and the output it has begun to write."""
    output = volume / "artifacts" / "demo" / "ImportSchemaGen" / "schema" / "1"
    shutil.rmtree(output, ignore_errors=True)  # of an earlier attempt
    options = ("--node-id", "ImportSchemaGen", "--run-id", "1234")
    running = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cluster.run_node", "node", *options]
        + ["--reference", reference],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "M2F_METADATA_URL": url},
    )
    deadline = time.monotonic() + 120
    while not output.is_dir() and time.monotonic() < deadline:
        time.sleep(0.05)
    (output / "half").write_text("")
    yield running, output
    running.kill()
    running.wait()


def test_an_attempt_that_another_one_replaced_stops_and_touches_nothing(
    volume, url, hanging
):
    running, output = hanging
    folder = volume / "artifacts" / "demo" / "ImportSchemaGen"
    attempts.Lease(folder, "1234").take_over("another")
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "ImportSchemaGen: another attempt has taken over" in stderr
    assert (output / "half").is_file()
    database = metadata_url.connect(metadata_url.parse(url), "")
    (execution,) = database.get_executions()
    assert execution.last_known_state == metadata_store_pb2.Execution.RUNNING


def test_told_to_stop_while_it_hangs_in_compiled_code_a_node_leaves_nothing(
    url, hanging
):
    running, output = hanging
    running.send_signal(signal.SIGTERM)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM
    assert "error: ImportSchemaGen: told to stop by SIGTERM" in stderr
    assert "execution 1 is recorded as failed" in stderr
    assert not output.exists()
    database = metadata_url.connect(metadata_url.parse(url), "")
    (failed,) = database.get_executions()
    assert failed.last_known_state == metadata_store_pb2.Execution.FAILED


def test_a_node_runs_quietly_once_and_a_second_start_is_a_no_op(volume, url, reference):
    summary = volume / "kfp" / "made" / "summary.md"
    done = node(reference, url, "ImportSchemaGen", "--summary-out", summary)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    log, ran, output = done.stdout.splitlines()
    assert log.startswith("ImportSchemaGen: log ")
    assert ran.startswith("ImportSchemaGen: ran in ")
    folder = volume / "artifacts" / "demo" / "ImportSchemaGen" / "schema" / "1"
    assert output == f"ImportSchemaGen: schema #1 {folder}"
    assert (folder / "schema.pbtxt").is_file()
    assert summary.read_text().startswith("# ImportSchemaGen: ran")

    again = node(reference, url, "ImportSchemaGen")
    assert again.returncode == 0, again.stderr
    assert "ImportSchemaGen: done before in " in again.stdout
    database = metadata_url.connect(metadata_url.parse(url), "")
    found = store.Store(database).run("1234")
    assert found["ImportSchemaGen"].state == "complete"


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"--node-id": "Tuner"}, "--node-id 'Tuner': the graph has no such node"),
        ({"--reference": "/gone.pb#00"}, "--reference /gone.pb: cannot be read"),
        ({"url": "mysql://a:b@c/d"}, "holds a password"),
        ({"url": ""}, "M2F_METADATA_URL: is not set"),
        ({"url": "mysql://a@127.0.0.1:1/d"}, "127.0.0.1:1 does not answer"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    tmp_path, monkeypatch, capsys, changed, wanted
):
    compiled = ir.pipeline_pb2.Pipeline()
    compiled.nodes.add().pipeline_node.node_info.id = "Trainer"
    url = changed.pop("url", f"sqlite:///{tmp_path / 'm.db'}")
    monkeypatch.setenv("M2F_METADATA_URL", url)
    options = {
        "--node-id": "Trainer",
        "--run-id": "1",
        "--reference": ir.write(compiled, tmp_path),
        **changed,
    }
    flat = [text for pair in options.items() for text in pair]
    assert run_node.main(["node", *flat]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert wanted in message
    assert message.count("\n") == 1
