"""Reads ML Metadata: which node made which artifact from what."""

import dataclasses
import pathlib
from collections.abc import Mapping

from ml_metadata import errors as ml_errors
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from foundation import errors
from pipeline.metadata import metadata_url

_Execution = metadata_store_pb2.Execution
_OUTPUTS = (metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.DECLARED_OUTPUT)
_INPUTS = (metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.DECLARED_INPUT)
Property = int | float | str | bool


@dataclasses.dataclass(frozen=True)
class Artifact:
    """One artifact; `properties` holds built-in and custom ones."""

    artifact_id: int
    type_name: str
    uri: str
    properties: dict[str, Property]


@dataclasses.dataclass(frozen=True)
class Execution:
    """One execution of a node, with what it read and wrote per key."""

    execution_id: int
    node_id: str
    run_id: str
    state: str
    properties: dict[str, Property]
    inputs: dict[str, list[Artifact]]
    outputs: dict[str, list[Artifact]]


class Store:
    """A metadata store, opened for reading."""

    def __init__(self, store: metadata_store.MetadataStore):
        self._store = store

    @classmethod
    def open(cls, path: pathlib.Path) -> "Store":
        """Opens a SQLite file.

        Raises:
            WorkspaceError: when there is none: nothing has been run here yet.
        """
        if not path.is_file():
            raise errors.WorkspaceError(
                f"{path}: no metadata there. Nothing was run in this workspace yet; "
                "start with `m2f demo`, or name the workspace with --workspace."
            )
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        config.sqlite.connection_mode = (
            metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
        )
        try:
            return cls(metadata_store.MetadataStore(config))
        except (RuntimeError, ml_errors.StatusError) as error:
            raise errors.WorkspaceError(
                f"{path}: not readable as ML Metadata: {error}. A run that was cut off "
                "while it made the file leaves it empty: remove it and run again."
            ) from None

    @classmethod
    def connect(cls, url: str) -> "Store":
        """Opens a database by its address; the password is in the environment.

        Raises:
            MetadataError: naming what keeps it from being read.
        """
        address = metadata_url.parse(url)
        password = metadata_url.password_from_environment()
        return cls(metadata_url.connect(address, password))

    def run(self, run_id: str) -> dict[str, Execution]:
        """The executions of one run, by node id; the last one of a node counts."""
        context = self._store.get_context_by_type_and_name("pipeline_run", run_id)
        if context is None:
            return {}
        rows = self._store.get_executions_by_context(context.id)
        rows = sorted(rows, key=lambda row: row.id)
        executions = [self._execution(row) for row in rows]
        return {execution.node_id: execution for execution in executions}

    def artifacts(self, type_name: str) -> list[Artifact]:
        """All artifacts of a type, oldest first."""
        found = self._store.get_artifacts_by_type(type_name)
        return [_artifact(row) for row in sorted(found, key=lambda row: row.id)]

    def producer(self, artifact_id: int) -> Execution:
        """The execution that made an artifact, not one that found it in the cache."""
        events = self._store.get_events_by_artifact_ids([artifact_id])
        makers = {e.execution_id for e in events if e.type in _OUTPUTS}
        rows = self._store.get_executions_by_id(sorted(makers))
        made = [row for row in rows if row.last_known_state == _Execution.COMPLETE]
        return self._execution((made or rows)[0])

    def consumers(self, artifact_id: int) -> list[Execution]:
        """Executions that read an artifact, oldest first, cached ones included."""
        events = self._store.get_events_by_artifact_ids([artifact_id])
        readers = sorted({e.execution_id for e in events if e.type in _INPUTS})
        return [
            self._execution(row) for row in self._store.get_executions_by_id(readers)
        ]

    def _execution(self, row: _Execution) -> Execution:
        contexts = self._store.get_contexts_by_execution(row.id)
        names = {context.type: context.name for context in contexts}
        pipeline = names.get("pipeline", "")
        inputs: dict[str, list[Artifact]] = {}
        outputs: dict[str, list[Artifact]] = {}
        events = self._store.get_events_by_execution_ids([row.id])
        ids = sorted({event.artifact_id for event in events})
        artifacts = {a.id: _artifact(a) for a in self._store.get_artifacts_by_id(ids)}
        for event in events:
            side = outputs if event.type in _OUTPUTS else inputs
            key = event.path.steps[0].key if event.path.steps else ""
            side.setdefault(key, []).append(artifacts[event.artifact_id])
        return Execution(
            execution_id=row.id,
            node_id=names.get("node", "").removeprefix(f"{pipeline}."),
            run_id=names.get("pipeline_run", ""),
            state=_Execution.State.Name(row.last_known_state).lower(),
            properties=_values(row.properties) | _values(row.custom_properties),
            inputs=inputs,
            outputs=outputs,
        )


def _artifact(row: metadata_store_pb2.Artifact) -> Artifact:
    return Artifact(
        artifact_id=row.id,
        type_name=row.type,
        uri=row.uri,
        properties=_values(row.properties) | _values(row.custom_properties),
    )


def _values(properties: Mapping[str, metadata_store_pb2.Value]) -> dict[str, Property]:
    return {
        key: getattr(value, value.WhichOneof("value"))
        for key, value in properties.items()
        if value.WhichOneof("value") in ("int_value", "double_value", "string_value")
    }
