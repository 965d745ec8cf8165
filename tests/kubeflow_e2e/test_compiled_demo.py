"""The compiled demo on a private database, every node killed twice on its way."""

import collections
import filecmp
import os
import signal
import subprocess
import sys

import pytest
from ml_metadata.proto import metadata_store_pb2

from foundation import errors
from pipeline.metadata import metadata_url, store

# Two runs of twelve nodes, and two killed attempts of each: all of it is to take less.
pytestmark = pytest.mark.timeout(3600)

NODES = 12
RESOLVERS = {"LatestBlessedModel", "PreviousStatistics"}


def opened(finished, password):
    address = metadata_url.parse(finished.url)
    return store.Store(metadata_url.connect(address, password))


def test_every_node_was_killed_twice_and_then_went_well(finished):
    codes = collections.defaultdict(list)
    for task, code in finished.clusters[0].attempts:
        codes[task].append(code)
    # `prepare` and a resolver may be done before they can be killed.
    for name in ("prepare", *RESOLVERS):
        assert codes.pop(name)[-1] == 0
    assert len(codes) == NODES - len(RESOLVERS)
    wanted = [-signal.SIGKILL, 128 + signal.SIGTERM, 0]
    assert dict(codes) == dict.fromkeys(codes, wanted)


def test_a_killed_pusher_leaves_nothing_a_server_takes_for_a_version(finished):
    after_sigkill, after_sigterm = finished.clusters[0].half_pushed
    assert [name for name in after_sigkill if name.isdecimal()] == []
    assert after_sigterm == []


def test_no_execution_stays_running(executions, states):
    states_left = {execution.last_known_state for execution in executions}
    assert states_left <= {states.COMPLETE, states.CACHED, states.FAILED}


def test_lineage_equals_that_of_the_local_runner(
    finished, local_runs, lineages, data, password
):
    space, local_ids = local_runs
    local = lineages.Normaliser(
        store.Store.open(space.metadata),
        {"data": data, "root": space.artifacts, "serving": space.serving},
    )
    remote = lineages.Normaliser(
        opened(finished, password),
        {"data": data, "root": finished.root, "serving": finished.serving},
    )
    for name, local_id, remote_id in zip(
        ("first", "changed"), local_ids, finished.runs, strict=True
    ):
        wanted, found = local.run(local_id, name), remote.run(remote_id, name)
        assert sorted(found) == sorted(wanted)
        for node_id in wanted:
            assert found[node_id] == wanted[node_id], node_id


def test_the_changed_run_takes_ingestion_from_the_cache_and_finds_the_baseline(
    finished, password
):
    metadata = opened(finished, password)
    first, changed = (metadata.run(run_id) for run_id in finished.runs)
    states = {node_id: execution.state for node_id, execution in changed.items()}
    cached = {node_id for node_id, state in states.items() if state == "cached"}
    assert cached == {
        "CocoExampleGen",
        "ImportSchemaGen",
        "StatisticsGen",
        "ExampleValidator",
        "DataGate",
        "Transform",
    }
    (model,) = first["Trainer"].outputs["model"]
    (baseline,) = changed["CocoEvaluator"].inputs["baseline_model"]
    assert baseline.artifact_id == model.artifact_id


def test_outputs_on_disk_are_those_of_executions_that_went_well(finished, states):
    complete = {
        str(execution.id)
        for execution in finished.store.get_executions()
        if execution.last_known_state == states.COMPLETE
    }
    folders = [
        folder
        for folder in (finished.root / "tiny").glob("*/*/*")
        if folder.parent.name not in (".system", "unfinished")
    ]
    assert len(folders) > NODES
    assert {folder.name for folder in folders} <= complete
    for artifact in finished.store.get_artifacts():
        assert artifact.uri in {str(folder) for folder in folders}


def test_pushed_versions_are_whole_and_known_to_the_metadata_store(finished):
    recorded = {
        artifact.custom_properties["pushed_destination"].string_value: artifact.uri
        for artifact in finished.store.get_artifacts_by_type("PushedModel")
    }
    on_disk = {str(path) for path in (finished.serving / "tiny").iterdir()}
    assert on_disk == set(recorded)
    assert len(on_disk) == 2
    for version, copy in recorded.items():
        compared = filecmp.dircmp(version, copy)
        assert not (compared.left_only or compared.right_only or compared.diff_files)


def test_the_password_is_written_nowhere(finished, password):
    files = [finished.compiled, *finished.root.glob("logs/*/*")]
    files += finished.root.glob("pipeline_ir/*")
    assert len(files) > 2 * NODES
    for path in files:
        assert password.encode() not in path.read_bytes(), path
    for cluster in finished.clusters:
        assert password not in "\n".join(cluster.output)


def test_pods_print_few_lines(finished):
    lines = finished.clusters[1].output
    assert len(lines) < 60, "\n".join(lines)


def test_lineage_is_read_from_the_database(finished, monkeypatch, capfd, password):
    from typer import testing

    from pipeline.cli import cli

    monkeypatch.setenv("M2F_METADATA_PASSWORD", password)
    done = testing.CliRunner().invoke(cli.app, ["lineage", "--metadata", finished.url])
    assert done.exit_code == 0
    version = max((finished.serving / "tiny").iterdir())
    assert str(version) in done.output


def test_any_text_comes_back_as_it_was_written(server, password):
    address = metadata_url.parse(f"{server}/m2f_texts")
    database = metadata_url.connect(address, password, create=True)
    kind = database.put_artifact_type(metadata_store_pb2.ArtifactType(name="Probe"))
    for text in ("it's", "C:\\new", "\\'; --", "$1 %s", "ü\n漢"):
        written = metadata_store_pb2.Artifact(type_id=kind, uri=f"/{text}")
        written.custom_properties["text"].string_value = text
        (made,) = database.put_artifacts([written])
        (found,) = database.get_artifacts_by_id([made])
        assert found.uri == f"/{text}"
        assert found.custom_properties["text"].string_value == text
        assert database.get_artifacts_by_uri(f"/{text}") == [found]


def test_cached_outputs_keep_their_keys(server, password):
    """TFX pairs rows with the ids it asked for; an update moves a row in PostgreSQL."""
    address = metadata_url.parse(f"{server}/m2f_order")
    database = metadata_url.connect(address, password, create=True)
    kind = database.put_artifact_type(metadata_store_pb2.ArtifactType(name="Probe"))
    made = database.put_artifacts(
        [metadata_store_pb2.Artifact(type_id=kind, uri=f"/{n}") for n in range(6)]
    )
    for artifact in database.get_artifacts_by_id(made[:3]):
        artifact.state = metadata_store_pb2.Artifact.LIVE
        database.put_artifacts([artifact])
    found = database.get_artifacts_by_id(made)
    assert [artifact.uri for artifact in found] == [f"/{n}" for n in range(6)]


def test_several_first_tasks_at_once_make_the_tables_of_an_empty_database(
    server, password
):
    program = (
        "from pipeline.metadata import metadata_url\n"
        "metadata_url.wait(*metadata_url.from_environment(), seconds=10)\n"
    )
    environment = {
        **os.environ,
        "M2F_METADATA_URL": f"{server}/m2f_race",
        "M2F_METADATA_PASSWORD": password,
    }
    tasks = [
        subprocess.Popen([sys.executable, "-c", program], env=environment)
        for _ in range(4)
    ]
    assert [task.wait(timeout=120) for task in tasks] == [0] * 4


def test_a_wrong_password_is_one_clear_message(finished):
    address = metadata_url.parse(finished.url)
    with pytest.raises(errors.MetadataError, match="wrong M2F_METADATA_PASSWORD"):
        metadata_url.connect(address, "not-the-password")


def test_a_second_start_of_a_finished_node_changes_nothing(
    finished, executions, password
):
    before = {execution.id: execution for execution in executions}
    (reference,) = (
        line.removeprefix("prepare: graph ")
        for line in finished.clusters[1].output
        if line.startswith("prepare: graph ")
    )
    command = [sys.executable, "-m", "pipeline.cluster.run_node", "node"]
    for node_id in ("Pusher", "LatestBlessedModel"):
        options = {"node-id": node_id, "run-id": finished.runs[1]}
        options["reference"] = reference
        flat = [text for k, v in options.items() for text in (f"--{k}", v)]
        done = subprocess.run(
            [*command, *flat],
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "M2F_METADATA_URL": finished.url,
                "M2F_METADATA_PASSWORD": password,
            },
        )
        assert done.returncode == 0, done.stderr
        assert "done before" in done.stdout
    assert {e.id: e for e in finished.store.get_executions()} == before
