import itertools

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.proto.orchestration import pipeline_pb2

from components.atomic_pusher import staging
from foundation import artifact_paths
from pipeline.nodes import attempts, executions

Execution = pb.Execution
CLEAN_UPS = {"Pusher": staging}


@pytest.fixture
def store(tmp_path):
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return metadata_store.MetadataStore(config)


@pytest.fixture
def pusher(tmp_path):
    return executions.NodeRun("demo", "monday", "Pusher", tmp_path / "root" / "Pusher")


def record(store, node_run, state, **changed):
    """Registers an execution of the node as TFX does; returns its id."""
    names = {
        "pipeline": node_run.pipeline,
        "pipeline_run": changed.get("run_id", node_run.run_id),
        "node": f"{node_run.pipeline}.{changed.get('node_id', node_run.node_id)}",
    }
    contexts = [
        pb.Context(type_id=store.put_context_type(pb.ContextType(name=kind)), name=name)
        for kind, name in names.items()
    ]
    kind = store.put_execution_type(pb.ExecutionType(name="any"))
    execution = Execution(type_id=kind, last_known_state=state)
    made, _, _ = store.put_execution(
        execution, [], contexts, reuse_context_if_already_exist=True
    )
    return made


def written(node_run, execution_id):
    """A half-written output and a temporary folder of an execution."""
    folders = [
        node_run.folder / "pushed_model" / str(execution_id),
        node_run.folder / ".system" / "executor_execution" / str(execution_id),
    ]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "part").write_text("")
    return folders


def states(store):
    return {row.id: row.last_known_state for row in store.get_executions()}


@pytest.mark.parametrize("left", [Execution.RUNNING, Execution.NEW])
def test_a_killed_attempt_is_recorded_as_failed_and_its_outputs_are_removed(
    store, pusher, left
):
    killed = record(store, pusher, left)
    folders = written(pusher, killed)
    assert executions.roll_back(store, pusher, CLEAN_UPS) == [killed]
    assert states(store) == {killed: Execution.FAILED}
    assert not any(folder.exists() for folder in folders)


def test_what_a_killed_attempt_left_in_a_bucket_is_removed(store, gcs):
    folder = artifact_paths.of("gs://bucket/rolled-back/Pusher")
    node_run = executions.NodeRun("demo", "monday", "Pusher", folder)
    killed = record(store, node_run, Execution.RUNNING)
    folders = written(node_run, killed)
    other = folder / "pushed_model" / f"{killed}1"
    (other / "part").write_text("of another execution")
    assert all(gcs.names(f"{each}/part") for each in folders)
    assert executions.roll_back(store, node_run, CLEAN_UPS) == [killed]
    assert not any(gcs.names(f"{each}/") for each in folders)
    assert gcs.names(f"{other}/part")


def test_what_cannot_be_found_in_a_bucket_is_not_recorded_as_removed(store, gcs):
    for answered in itertools.count():  # of the requests, then one is refused
        folder = artifact_paths.of(f"gs://bucket/refused-{answered}/Pusher")
        node_run = executions.NodeRun("demo", f"run-{answered}", "Pusher", folder)
        killed = record(store, node_run, Execution.RUNNING)
        folders = [
            folder / "pushed_model" / str(killed),
            folder / ".system" / "executor_execution" / str(killed),
        ]
        for each in folders:  # by another process: TensorFlow here knows nothing yet
            gcs.write(f"{each}/part", b"")
        gcs.fail_next(1, status=403, after=answered)
        try:
            assert executions.roll_back(store, node_run, CLEAN_UPS) == [killed]
            break
        except OSError:
            assert states(store)[killed] == Execution.RUNNING
            gcs.recover()
            assert executions.roll_back(store, node_run, CLEAN_UPS) == [killed]
        finally:
            gcs.recover()
            assert not any(gcs.names(f"{each}/") for each in folders)
    assert answered > 5


def test_outputs_of_a_failed_attempt_that_was_killed_again_are_removed(store, pusher):
    failed = record(store, pusher, Execution.FAILED)
    folders = written(pusher, failed)
    assert executions.roll_back(store, pusher, CLEAN_UPS) == []
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("done", [Execution.COMPLETE, Execution.CACHED])
def test_what_went_well_is_left_alone(store, pusher, done):
    made = record(store, pusher, done)
    folders = written(pusher, made)
    assert executions.roll_back(store, pusher, CLEAN_UPS) == []
    assert states(store) == {made: done}
    assert all(folder.exists() for folder in folders)
    assert executions.finished(store, pusher).id == made


def test_other_nodes_and_other_runs_are_left_alone(store, pusher):
    others = [
        record(store, pusher, Execution.RUNNING, node_id="Trainer"),
        record(store, pusher, Execution.RUNNING, run_id="tuesday"),
    ]
    assert executions.find(store, pusher) == []
    assert executions.roll_back(store, pusher, CLEAN_UPS) == []
    assert states(store) == dict.fromkeys(others, Execution.RUNNING)


def test_a_push_that_was_not_recorded_is_taken_back(store, pusher, tmp_path):
    killed = record(store, pusher, Execution.RUNNING)
    pushed = pusher.folder / "pushed_model" / str(killed)
    staged = staging.begin(pushed, tmp_path / "serving") / "5"
    staged.mkdir()
    version = staging.finish(pushed, staged)
    assert version.is_dir()
    executions.roll_back(store, pusher, CLEAN_UPS)
    assert not version.exists()


def test_the_last_failed_attempt_is_the_one_taken_up_again(store, pusher):
    first = record(store, pusher, Execution.FAILED)
    second = record(store, pusher, Execution.FAILED)
    executions.reopen(store, pusher)
    assert states(store) == {first: Execution.FAILED, second: Execution.RUNNING}


def test_a_run_that_has_not_begun_has_nothing_to_roll_back(store, pusher):
    assert executions.roll_back(store, pusher, CLEAN_UPS) == []
    assert executions.finished(store, pusher) is None


@pytest.fixture
def compiled(tmp_path):
    found = pipeline_pb2.Pipeline()
    found.pipeline_info.id = "demo"
    place = found.runtime_spec.pipeline_root.field_value
    place.string_value = str(tmp_path / "root")
    return found


def test_a_run_that_was_stopped_for_good_is_rolled_back_by_a_later_one(
    store, pusher, compiled
):
    killed = record(store, pusher, Execution.RUNNING)
    done = record(store, pusher, Execution.COMPLETE, node_id="Trainer")
    folders = written(pusher, killed)
    assert executions.roll_back_abandoned(store, compiled, CLEAN_UPS) == [killed]
    assert states(store) == {killed: Execution.FAILED, done: Execution.COMPLETE}
    assert not any(folder.exists() for folder in folders)
    assert executions.roll_back_abandoned(store, compiled, CLEAN_UPS) == []


def test_before_a_run_is_rolled_back_its_lease_goes_so_that_a_frozen_attempt_stops(
    store, pusher, compiled
):
    killed = record(store, pusher, Execution.RUNNING)
    pusher.lease.take_over("frozen")
    output = pusher.folder / "pushed_model" / str(killed)
    output.parent.mkdir()
    output.write_text("no folder, so it cannot be removed as one")
    with pytest.raises(NotADirectoryError):
        executions.roll_back_abandoned(store, compiled, CLEAN_UPS)
    with pytest.raises(FileNotFoundError):
        pusher.lease.holder()
    assert states(store) == {killed: Execution.RUNNING}


def test_a_run_that_is_at_work_is_not_rolled_back_by_another(store, pusher, compiled):
    running = record(store, pusher, Execution.RUNNING)
    folders = written(pusher, running)
    times = attempts.LeaseTimes(heartbeat=0.02, cut_off=10.0, stop=0.3)
    attempt = attempts.Attempt(pusher.lease, times)
    attempt.start()
    assert executions.roll_back_abandoned(store, compiled, CLEAN_UPS, times) == []
    assert states(store) == {running: Execution.RUNNING}
    assert all(folder.exists() for folder in folders)
    attempt.end()
    assert executions.roll_back_abandoned(store, compiled, CLEAN_UPS, times) == [
        running
    ]


def test_who_may_not_look_at_the_lease_rolls_nothing_back(store, compiled, gcs):
    place = compiled.runtime_spec.pipeline_root.field_value
    place.string_value = "gs://bucket/unseen"
    node_run = executions.NodeRun.of(compiled, "Pusher", "monday")
    running = record(store, node_run, Execution.RUNNING)
    folders = written(node_run, running)
    gcs.fail_next(1, status=403)
    with pytest.raises(PermissionError):
        executions.roll_back_abandoned(store, compiled, CLEAN_UPS)
    gcs.recover()
    assert states(store) == {running: Execution.RUNNING}
    assert all(gcs.names(f"{each}/part") for each in folders)


def test_runs_of_other_pipelines_are_left_alone(store, pusher, compiled):
    running = record(store, pusher, Execution.RUNNING)
    compiled.pipeline_info.id = "another"
    assert executions.roll_back_abandoned(store, compiled, CLEAN_UPS) == []
    assert states(store) == {running: Execution.RUNNING}
