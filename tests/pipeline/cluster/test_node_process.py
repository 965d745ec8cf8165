"""The process of one node, in this one: what it says and the exit code."""

import logging
import pathlib

import mlmd
import pytest

from components.atomic_pusher import objects
from foundation import artifact_trees, progress
from pipeline import compiled_graph, locations
from pipeline.cluster import node_log, node_process
from pipeline.metadata import metadata_url
from pipeline.nodes import ir
from pipeline.settings import config_file


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The demo's graph, with a folder of data that holds nothing."""
    folder = tmp_path_factory.mktemp("volume")
    (folder / "data").mkdir()
    where = locations.Locations(
        (str(folder / "data"),), folder / "artifacts", folder / "serving"
    )
    compiled = compiled_graph.build(config_file.load("demo.yaml"), where)
    return ir.write(compiled, folder)


@pytest.fixture
def database(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'metadata.db'}"
    monkeypatch.setenv("M2F_METADATA_URL", url)
    return metadata_url.connect(metadata_url.parse(url), "", create=True)


@pytest.fixture
def log(tmp_path):
    return node_log.NodeLog(tmp_path / "log", pathlib.Path("gs:/place/of/log"))


@pytest.fixture
def work(database, reference, log, capfd):
    """Runs a node; gives its exit code, and what reaches the pod's log."""
    handlers, level = logging.root.handlers[:], logging.root.level

    def call(node_id, reference=reference, **files):
        files = {"summary_out": None, "report_out": None, **files}
        code = node_process.work(node_id, "1234", reference, log, **files)
        said = capfd.readouterr()
        return code, said.out, said.err

    yield call
    # What a process of its own leaves behind when it ends.
    progress.set_reporter(progress.LineReporter())
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_a_node_that_fails_prints_the_end_of_the_log_and_where_all_of_it_is(work, log):
    code, out, err = work("Pusher")
    assert (code, out) == (1, "")
    *end, reason, place = err.splitlines()
    assert "RuntimeError: Pusher has no model input." in end[-1]
    assert reason.startswith("error: Pusher failed: RuntimeError: Pusher has no model")
    assert place == f"Above is the end of the log: {log.place}"
    assert "Traceback" in log.file.read_text()


def test_a_users_mistake_is_its_message_and_nothing_of_the_log(work):
    code, out, err = work("CocoExampleGen")
    assert (code, out) == (2, "")
    assert err.startswith("error: CocoExampleGen: ")
    assert "no annotations found" in err
    assert "Traceback" not in err


def test_a_graph_that_is_gone_is_the_users_mistake_too(work):
    code, _, err = work("Trainer", reference="/gone.pb#00")
    assert code == 2
    assert err.startswith("error: Trainer: --reference /gone.pb: cannot be read")


def test_a_version_that_was_pushed_before_and_is_gone_is_put_back(
    work, database, tmp_path
):
    copy, version = tmp_path / "copy", tmp_path / "serving" / "17"
    copy.mkdir()
    (copy / objects.COMPLETE).write_bytes(b"graph")
    pushed = mlmd.artifact(
        "PushedModel", str(copy), pushed=1, pushed_destination=str(version)
    )
    mlmd.record(database, "1234", "Pusher", {}, {"pushed_model": pushed})
    summary, report = tmp_path / "new" / "summary.md", tmp_path / "report.html"
    code, out, err = work("Pusher", summary_out=summary, report_out=report)
    assert (code, err) == (0, "")
    done, restored, output = out.splitlines()
    assert done.startswith("Pusher: done before in ")
    assert restored == "Pusher: the pushed version was gone and is back in its place"
    assert output == f"Pusher: pushed_model #{pushed.id} {copy}"
    assert not artifact_trees.lacking(version, copy)
    assert summary.read_text().startswith("# Pusher: done before")
    assert "<html" in report.read_text()

    _, out, _ = work("Pusher")
    assert "back in its place" not in out


def test_a_version_that_was_refused_is_not_put_into_its_place(work, database, tmp_path):
    copy, version = tmp_path / "copy", tmp_path / "serving" / "17"
    copy.mkdir()
    refused = mlmd.artifact(
        "PushedModel", str(copy), pushed=0, pushed_destination=str(version)
    )
    mlmd.record(database, "1234", "Pusher", {}, {"pushed_model": refused})
    code, out, _ = work("Pusher")
    assert code == 0 and "back in its place" not in out
    assert not version.exists()


def test_the_end_of_a_log_is_its_last_forty_lines_whatever_they_hold(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"\n".join(b"line %d" % n for n in range(100)) + b"\nbad \xff\n")
    lines = node_process.tail(path).splitlines()
    assert lines == [*(f"line {n}" for n in range(61, 100)), "bad \ufffd"]


def test_a_password_in_the_log_is_not_repeated(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.write_text("mysql://a:hunter2@b/c, hunter2\n")
    assert "hunter2" in node_process.tail(path)
    monkeypatch.setenv("M2F_METADATA_PASSWORD", "hunter2")
    assert node_process.tail(path) == "mysql://a:***@b/c, ***"
