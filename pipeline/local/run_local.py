"""Runs the graph on this machine, one node after the other, and says how each ended.

The loop is that of TFX's LocalDagRunner with three things added: it reports each node
as it ends, it stops when a node failed without raising, and an interrupted node is
recorded as failed and its half-written outputs are removed.
"""

import dataclasses
import datetime
import pathlib
from collections.abc import Sequence
from typing import Protocol

from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.portable import runtime_parameter_utils

from pipeline import clean_ups, compiled_graph
from pipeline.local import workspace
from pipeline.nodes import node_launch
from pipeline.settings import config


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run."""

    run_id: str
    nodes: list[node_launch.NodeResult]


class NodeObserver(Protocol):
    """Told of every node as it starts and ends."""

    def started(self, node_id: str, position: int, total: int) -> None:
        """A node begins; `position` counts from 1."""

    def finished(self, node_id: str, state: str, seconds: float) -> None:
        """A node has ended well; `state` as in `node_launch.NodeResult`."""


def run(
    settings: config.PipelineConfig,
    data: Sequence[pathlib.Path],
    space: workspace.Workspace,
    observer: NodeObserver,
) -> RunResult:
    """Runs every node of the graph on the data folders inside the workspace.

    Raises:
        UserError: from a node that refused its input.
        PipelineError: when a node failed.
    """
    compiled = compiled_graph.build(settings, space.run_locations(data))
    run_id = datetime.datetime.now().isoformat()
    runtime_parameter_utils.substitute_runtime_parameter(
        compiled, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    connection = metadata.sqlite_metadata_connection_config(str(space.metadata))
    results = []
    for position, node in enumerate(compiled.nodes, start=1):
        node_id = node.pipeline_node.node_info.id
        observer.started(node_id, position, len(compiled.nodes))
        result = node_launch.launch(
            compiled, node_id, run_id, connection, clean_ups.BY_NODE
        )
        results.append(result)
        observer.finished(node_id, result.state, result.seconds)
    return RunResult(run_id, results)
