"""Runs the graph on this machine, one node after the other, and says how each ended.

The loop is that of TFX's LocalDagRunner with three things added: it reports each node
as it ends, it stops when a node failed without raising, and an interrupted node is
recorded as failed and its half-written outputs are removed.
"""

import dataclasses
import datetime
import hashlib
import pathlib
import shutil
import time
from typing import Protocol

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline import config, errors, graph, serving_folder, workspace

_Execution = metadata_store_pb2.Execution


@dataclasses.dataclass(frozen=True)
class NodeResult:
    """How one node ended.

    Attributes:
        state: `ran`, `cached` or `resolved` (a resolver never has work to do).
        seconds: wall time.
    """

    node_id: str
    state: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run."""

    run_id: str
    nodes: list[NodeResult]


class NodeObserver(Protocol):
    """Told of every node as it starts and ends."""

    def started(self, node_id: str, position: int, total: int) -> None:
        """A node begins; `position` counts from 1."""

    def finished(self, node_id: str, state: str, seconds: float) -> None:
        """A node has ended well; `state` as in `NodeResult`."""


def run(
    settings: config.PipelineConfig,
    data_root: pathlib.Path,
    space: workspace.Workspace,
    observer: NodeObserver,
) -> RunResult:
    """Runs every node of the graph on `data_root` inside the workspace.

    Raises:
        UserError: from a node that refused its input.
        PipelineError: when a node failed.
    """
    locations = graph.Locations(
        data_root=str(data_root.expanduser().absolute()),
        artifact_root=str(space.artifacts / settings.name),
        serving_root=str(space.serving),
        schema_file=str(_schema_by_content(space)),
    )
    pipeline = graph.create_pipeline(settings, locations)
    pipeline.metadata_connection_config = metadata.sqlite_metadata_connection_config(
        str(space.metadata)
    )
    ir = compiler.Compiler().compile(pipeline)
    run_id = datetime.datetime.now().isoformat()
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    results = []
    for position, node in enumerate(ir.nodes, start=1):
        node_id = node.pipeline_node.node_info.id
        observer.started(node_id, position, len(ir.nodes))
        with serving_folder.cleared_on_failure(space.serving):
            result = _run_node(ir, node.pipeline_node)
        results.append(result)
        observer.finished(node_id, result.state, result.seconds)
    return RunResult(run_id, results)


def _schema_by_content(space: workspace.Workspace) -> pathlib.Path:
    """The schema under a name that changes with its content, and only with it."""
    content = graph.SCHEMA.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = space.artifacts / "schemas" / f"{digest}.pbtxt"
    if not path.is_file():
        path.parent.mkdir(exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        partial.replace(path)
    return path


def _run_node(ir: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> NodeResult:
    deployment = runner_utils.extract_local_deployment_config(ir)
    connection_config = deployment.metadata_connection_config
    connection = getattr(
        connection_config, connection_config.WhichOneof("connection_config")
    )
    node_id = node.node_info.id
    node_launcher = launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=metadata.Metadata(connection),
        pipeline_info=ir.pipeline_info,
        pipeline_runtime_spec=ir.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
    )
    start = time.monotonic()
    try:
        info = node_launcher.launch()
    except KeyboardInterrupt:
        _abandon(ir, connection, node_id)
        raise
    seconds = time.monotonic() - start
    state = _state(connection, info.execution_id, node_id) if info else "skipped"
    if node.node_info.type.name.endswith(".Resolver"):
        state = "resolved"
    return NodeResult(node_id, state, seconds)


def _state(
    connection: metadata_store_pb2.ConnectionConfig, execution_id: int, node_id: str
) -> str:
    """The recorded state; `launch` returns normally when inputs did not resolve."""
    with metadata.Metadata(connection) as handle:
        (execution,) = handle.store.get_executions_by_id([execution_id])
    if execution.last_known_state == _Execution.CACHED:
        return "cached"
    if execution.last_known_state == _Execution.COMPLETE:
        return "ran"
    name = _Execution.State.Name(execution.last_known_state)
    raise errors.PipelineError(
        f"{node_id}: ended in state {name} with no exception; its inputs could not be "
        "resolved. The log names the missing artifact."
    )


def _abandon(
    ir: pipeline_pb2.Pipeline,
    connection: metadata_store_pb2.ConnectionConfig,
    node_id: str,
) -> None:
    """Records an interrupted node as failed and removes what it half wrote."""
    run_id = ir.runtime_spec.pipeline_run_id.field_value.string_value
    root = pathlib.Path(ir.runtime_spec.pipeline_root.field_value.string_value, node_id)
    with metadata.Metadata(connection) as handle:
        context = handle.store.get_context_by_type_and_name(
            constants.PIPELINE_RUN_CONTEXT_TYPE_NAME, run_id
        )
        if context is None:
            return
        for execution in handle.store.get_executions_by_context(context.id):
            if execution.last_known_state != _Execution.RUNNING:
                continue
            execution.last_known_state = _Execution.FAILED
            handle.store.put_executions([execution])
            for outputs in root.glob(f"*/{execution.id}"):
                shutil.rmtree(outputs, ignore_errors=True)
