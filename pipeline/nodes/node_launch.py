"""Runs one node of the compiled graph; what every runner of ours shares."""

import dataclasses
import logging
import time

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher
from tfx.proto.orchestration import pipeline_pb2

from foundation import errors
from pipeline.metadata import metadata_handle
from pipeline.nodes import beam_operator, clean_up, executions, ir

_Execution = metadata_store_pb2.Execution
_STATES = {_Execution.CACHED: "cached", _Execution.COMPLETE: "ran"}


@dataclasses.dataclass(frozen=True)
class NodeResult:
    """How one node ended.

    Attributes:
        state: `ran`, `cached`, `resolved` (a resolver never has work to do),
            `skipped` (its condition is false) or `done before` (by an earlier attempt
            of the same run).
        seconds: wall time.
    """

    node_id: str
    state: str
    seconds: float


def launch(
    compiled: pipeline_pb2.Pipeline,
    node_id: str,
    run_id: str,
    connection: metadata_store_pb2.ConnectionConfig,
    clean_ups: clean_up.CleanUps,
) -> NodeResult:
    """Runs a node, or finds that an earlier attempt of this run has done it.

    Args:
        compiled: with the run id put in.
        clean_ups: of the nodes that act outside of their outputs.

    Raises:
        UserError: from a node that refused its input.
        PipelineError: the inputs could not be resolved.
    """
    start = time.monotonic()
    node_run = executions.NodeRun.of(compiled, node_id, run_id)
    with metadata_handle.Handle(connection) as handle:
        if executions.finished(handle.store, node_run):
            return NodeResult(node_id, "done before", time.monotonic() - start)
        executions.roll_back(handle.store, node_run, clean_ups)
        if not _is_resolver(compiled, node_id):  # which always makes a new one
            executions.reopen(handle.store, node_run)
    try:
        info = _launcher(compiled, node_id, connection).launch()
    except BaseException:
        _roll_back_after_failure(connection, node_run, clean_ups)
        raise
    if info is None or info.execution_id is None:
        state = "skipped"
    else:
        state = _state(connection, info.execution_id, node_id)
        if node_id in clean_ups:
            clean_ups[node_id].forget(node_run.folder, info.execution_id)
        if _is_resolver(compiled, node_id):
            state = "resolved"
    return NodeResult(node_id, state, time.monotonic() - start)


def _launcher(
    compiled: pipeline_pb2.Pipeline,
    node_id: str,
    connection: metadata_store_pb2.ConnectionConfig,
) -> launcher.Launcher:
    deployment = runner_utils.extract_local_deployment_config(compiled)
    executor_spec, operators = beam_operator.detach(
        runner_utils.extract_executor_spec(deployment, node_id)
    )
    return launcher.Launcher(
        pipeline_node=ir.find_node(compiled, node_id),
        mlmd_connection=metadata_handle.Handle(connection),
        pipeline_info=compiled.pipeline_info,
        pipeline_runtime_spec=compiled.runtime_spec,
        executor_spec=executor_spec,
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        custom_executor_operators=operators,
    )


def _roll_back_after_failure(
    connection: metadata_store_pb2.ConnectionConfig,
    node_run: executions.NodeRun,
    clean_ups: clean_up.CleanUps,
) -> None:
    """Rolls back; a second failure must not hide the first."""
    try:
        with metadata_handle.Handle(connection) as handle:
            executions.roll_back(handle.store, node_run, clean_ups)
    except Exception:
        logging.exception("%s: could not be cleared up", node_run.node_id)


def _state(
    connection: metadata_store_pb2.ConnectionConfig, execution_id: int, node_id: str
) -> str:
    """The recorded state; `launch` returns normally when inputs did not resolve."""
    with metadata_handle.Handle(connection) as handle:
        (execution,) = handle.store.get_executions_by_id([execution_id])
    if execution.last_known_state in _STATES:
        return _STATES[execution.last_known_state]
    name = _Execution.State.Name(execution.last_known_state)
    raise errors.PipelineError(
        f"{node_id}: ended in state {name} with no exception; its inputs could not be "
        "resolved. The log names the missing artifact."
    )


def _is_resolver(compiled: pipeline_pb2.Pipeline, node_id: str) -> bool:
    return ir.find_node(compiled, node_id).node_info.type.name.endswith(".Resolver")
