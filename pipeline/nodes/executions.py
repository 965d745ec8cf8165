"""What the metadata store says of one node in one run, and how that is rolled back.

Light on purpose: the process that watches a node rolls back with it. It gets by without
TensorFlow where the outputs are folders.
"""

import dataclasses

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.proto.orchestration import pipeline_pb2

from foundation import artifact_paths
from pipeline.nodes import attempts, clean_up, ir

_Execution = metadata_store_pb2.Execution
_DONE = (_Execution.COMPLETE, _Execution.CACHED)
_OPEN = (_Execution.NEW, _Execution.RUNNING)


@dataclasses.dataclass(frozen=True)
class NodeRun:
    """One node in one run.

    Attributes:
        folder: outputs are `<folder>/<output key>/<execution id>`.
    """

    pipeline: str
    run_id: str
    node_id: str
    folder: artifact_paths.Path

    @classmethod
    def of(
        cls, compiled: pipeline_pb2.Pipeline, node_id: str, run_id: str
    ) -> "NodeRun":
        return cls(
            pipeline=compiled.pipeline_info.id,
            run_id=run_id,
            node_id=node_id,
            folder=ir.artifact_root(compiled) / node_id,
        )

    @property
    def lease(self) -> attempts.Lease:
        """What its attempts take from each other."""
        return attempts.Lease(self.folder, self.run_id)


def find(store: metadata_store.MetadataStore, node_run: NodeRun) -> list[_Execution]:
    """The node's executions in this run, oldest first."""
    run = store.get_context_by_type_and_name(
        constants.PIPELINE_RUN_CONTEXT_TYPE_NAME, node_run.run_id
    )
    if run is None:
        return []
    wanted = f"{node_run.pipeline}.{node_run.node_id}"
    found = [
        execution
        for execution in store.get_executions_by_context(run.id)
        if wanted in _node_names(store, execution)
    ]
    return sorted(found, key=lambda execution: execution.id)


def _node_names(
    store: metadata_store.MetadataStore, execution: _Execution
) -> list[str]:
    return [
        context.name
        for context in store.get_contexts_by_execution(execution.id)
        if context.type == constants.NODE_CONTEXT_TYPE_NAME
    ]


def finished(
    store: metadata_store.MetadataStore, node_run: NodeRun
) -> _Execution | None:
    """The execution that ended well, if one did."""
    done = [e for e in find(store, node_run) if e.last_known_state in _DONE]
    return done[-1] if done else None


def roll_back(
    store: metadata_store.MetadataStore,
    node_run: NodeRun,
    clean_ups: clean_up.CleanUps,
) -> list[int]:
    """Clears up after attempts that were killed: call when none is alive.

    What they half wrote is removed, and an execution that still counts as running is
    recorded as failed. TFX takes a failed execution up again under its id.

    Returns:
        Ids of the executions that counted as running.

    Raises:
        OSError: what was half written cannot be found or removed; its execution then
            counts as running still, so that the next call tries again.
    """
    rolled_back = []
    for execution in find(store, node_run):
        if execution.last_known_state in _DONE:
            continue
        if node_run.node_id in clean_ups:
            clean_ups[node_run.node_id].undo(node_run.folder, execution.id)
        _remove_outputs(node_run.folder, execution.id)
        if execution.last_known_state in _OPEN:
            execution.last_known_state = _Execution.FAILED
            store.put_executions([execution])
            rolled_back.append(execution.id)
    return rolled_back


def _remove_outputs(node_folder: artifact_paths.Path, execution_id: int) -> None:
    # Not by `glob`: pathlib's takes a folder that it may not read for an empty one.
    outputs = node_folder.iterdir() if node_folder.is_dir() else ()
    for folder in (*outputs, node_folder / ".system" / "executor_execution"):
        leftover = folder / str(execution_id)
        if leftover.exists():
            artifact_paths.remove_tree(leftover)


def roll_back_abandoned(
    store: metadata_store.MetadataStore,
    compiled: pipeline_pb2.Pipeline,
    clean_ups: clean_up.CleanUps,
    times: attempts.LeaseTimes | None = None,
) -> list[int]:
    """Rolls back earlier runs of a pipeline that were stopped and not started again.

    A pod that is told to stop has no time of its own: KFP's launcher ends at once, and
    the container with it.

    Returns:
        Ids of the executions that counted as running while nobody worked on them.

    Raises:
        OSError: it is not known who is at work, or as `roll_back`.
    """
    found = _open_node_runs(store, compiled)
    ends = attempts.abandoned([each.lease for each in found], times)
    rolled_back = []
    for node_run, is_abandoned in zip(found, ends, strict=True):
        if is_abandoned:
            node_run.lease.remove()  # first: an attempt that was frozen looks there
            rolled_back += roll_back(store, node_run, clean_ups)
    return rolled_back


def _open_node_runs(
    store: metadata_store.MetadataStore, compiled: pipeline_pb2.Pipeline
) -> list[NodeRun]:
    name = compiled.pipeline_info.id
    pipeline = store.get_context_by_type_and_name(
        constants.PIPELINE_CONTEXT_TYPE_NAME, name
    )
    if pipeline is None:
        return []
    found = {}
    for execution in store.get_executions_by_context(pipeline.id):
        if execution.last_known_state in _OPEN:
            contexts = store.get_contexts_by_execution(execution.id)
            names = {context.type: context.name for context in contexts}
            node_id = names[constants.NODE_CONTEXT_TYPE_NAME].removeprefix(f"{name}.")
            run_id = names[constants.PIPELINE_RUN_CONTEXT_TYPE_NAME]
            found[node_id, run_id] = NodeRun.of(compiled, node_id, run_id)
    return list(found.values())


def reopen(store: metadata_store.MetadataStore, node_run: NodeRun) -> None:
    """Marks the execution that TFX is about to take up again as running.

    TFX itself leaves it failed until it is complete.
    """
    failed = [
        execution
        for execution in find(store, node_run)
        if execution.last_known_state == _Execution.FAILED
    ]
    for execution in failed[-1:]:
        execution.last_known_state = _Execution.RUNNING
        store.put_executions([execution])
