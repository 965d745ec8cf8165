"""Attempts of one node in one run, on a graph of two nodes of TFX."""

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.components.schema_gen.import_schema_gen import component as import_schema_gen
from tfx.dsl.compiler import compiler, constants
from tfx.dsl.components.common import resolver
from tfx.dsl.input_resolution.strategies import latest_artifact_strategy
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.types import standard_artifacts

from pipeline.nodes import executions, node_launch

Execution = metadata_store_pb2.Execution


class Recorder:
    """Clean-up of a node that only tells when it was asked for."""

    def __init__(self):
        self.calls = []

    def undo(self, node_folder, execution_id):
        self.calls.append(("undo", node_folder.name, execution_id))

    def forget(self, node_folder, execution_id):
        self.calls.append(("forget", node_folder.name, execution_id))


class Run:
    """One run of the graph; the same id again is the same run."""

    def __init__(self, folder, schema):
        self.folder = folder
        self.recorder = Recorder()
        self.clean_ups = {"ImportSchemaGen": self.recorder}
        self.connection = metadata.sqlite_metadata_connection_config(
            str(folder / "metadata.db")
        )
        latest = resolver.Resolver(
            strategy_class=latest_artifact_strategy.LatestArtifactStrategy,
            schema=types.Channel(type=standard_artifacts.Schema),
        ).with_id("Latest")
        schema_gen = import_schema_gen.ImportSchemaGen(schema_file=str(schema))
        latest.add_upstream_node(schema_gen)
        graph = pipeline.Pipeline(
            "two", str(folder / "root"), components=[schema_gen, latest]
        )
        self.compiled = compiler.Compiler().compile(graph)
        runtime_parameter_utils.substitute_runtime_parameter(
            self.compiled, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: "monday"}
        )

    def launch(self, node_id):
        return node_launch.launch(
            self.compiled, node_id, "monday", self.connection, self.clean_ups
        )

    def executions(self, node_id):
        node_run = executions.NodeRun.of(self.compiled, node_id, "monday")
        with metadata.Metadata(self.connection) as handle:
            return executions.find(handle.store, node_run)

    def outputs(self):
        return sorted((self.folder / "root" / "ImportSchemaGen" / "schema").glob("*"))


@pytest.fixture
def schema(tmp_path):
    path = tmp_path / "schema.pbtxt"
    path.write_text("feature { name: 'a' }")
    return path


@pytest.fixture
def run(tmp_path, schema):
    return Run(tmp_path, schema)


def states(found):
    return [execution.last_known_state for execution in found]


def test_a_node_and_a_resolver_that_are_done_are_not_run_again(run):
    wanted = {"ImportSchemaGen": "ran", "Latest": "resolved"}
    for node_id, state in wanted.items():
        assert run.launch(node_id).state == state
    for node_id in wanted:
        assert run.launch(node_id).state == "done before"
        assert states(run.executions(node_id)) == [Execution.COMPLETE]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_failed_attempt_leaves_nothing_and_the_next_one_takes_it_up(
    run, monkeypatch, error
):
    from tfx.components.schema_gen.import_schema_gen import executor

    seen = []

    def fail(*_):
        seen.extend(states(run.executions("ImportSchemaGen")))
        (run.outputs()[0] / "half").write_text("")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(executor.Executor, "Do", fail)
        for _ in range(2):
            with pytest.raises(error):
                run.launch("ImportSchemaGen")
            assert states(run.executions("ImportSchemaGen")) == [Execution.FAILED]
            assert run.outputs() == []
    assert seen == [Execution.RUNNING] * 2
    assert run.launch("ImportSchemaGen").state == "ran"
    assert states(run.executions("ImportSchemaGen")) == [Execution.COMPLETE]
    (output,) = run.outputs()
    assert [path.name for path in output.iterdir()] == ["schema.pbtxt"]


def test_a_node_is_undone_until_it_is_complete_and_then_forgotten(run, monkeypatch):
    from tfx.components.schema_gen.import_schema_gen import executor

    def fail(*_):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(executor.Executor, "Do", fail)
        with pytest.raises(OSError):
            run.launch("ImportSchemaGen")
    (execution,) = run.executions("ImportSchemaGen")
    undone = ("undo", "ImportSchemaGen", execution.id)
    assert run.recorder.calls == [undone]
    run.launch("ImportSchemaGen")
    forgotten = ("forget", "ImportSchemaGen", execution.id)
    assert run.recorder.calls == [undone, undone, forgotten]


def test_a_node_that_hands_in_no_clean_up_needs_none(run):
    run.launch("ImportSchemaGen")
    calls = list(run.recorder.calls)
    run.launch("Latest")
    assert run.recorder.calls == calls


def test_a_missing_input_is_a_failure_though_tfx_returns_normally(run, monkeypatch):
    from tfx.orchestration.portable import inputs_utils
    from tfx.orchestration.portable.input_resolution import exceptions

    def unresolved(**_):
        raise exceptions.FailedPreconditionError("no such artifact")

    with monkeypatch.context() as patch:
        patch.setattr(inputs_utils, "resolve_input_artifacts", unresolved)
        with pytest.raises(node_launch.errors.PipelineError, match="FAILED"):
            run.launch("ImportSchemaGen")
    assert states(run.executions("ImportSchemaGen")) == [Execution.FAILED]


def test_a_false_condition_skips_the_node(run, monkeypatch):
    from tfx.orchestration.portable import inputs_utils

    monkeypatch.setattr(
        inputs_utils, "resolve_input_artifacts", lambda **_: inputs_utils.Skip()
    )
    assert run.launch("ImportSchemaGen").state == "skipped"
    assert run.launch("Latest").state == "skipped"
    assert run.executions("ImportSchemaGen") == []
