"""The first task of a run on a cluster: checks, database, compiled graph.

Only this task makes the tables and registers what all nodes share, so that the nodes,
which start at the same time, do not race for it.
"""

import dataclasses
import json
import logging
import shlex

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.orchestration.portable.mlmd import common_utils, context_lib
from tfx.proto.orchestration import pipeline_pb2

from foundation import errors
from pipeline import clean_ups, compiled_graph, locations
from pipeline.cluster import run_overrides
from pipeline.metadata import metadata_handle, metadata_url
from pipeline.nodes import executions, ir
from pipeline.settings import config

_SECONDS_TO_WAIT = 300.0


@dataclasses.dataclass(frozen=True)
class Request:
    """What a run was started with.

    Attributes:
        config_json: the configuration the pipeline was compiled with.
        overrides: `--set` items in one text, quoted as a shell does.
        graph_digest: of the graph the tasks were made for.
    """

    config_json: str
    overrides: str
    where: locations.Locations
    run_id: str
    run_name: str
    graph_digest: str


def prepare(request: Request) -> str:
    """Makes everything ready for the nodes of a run.

    Returns:
        Reference of the compiled graph, for `ir.read`.

    Raises:
        UserError: a configuration or a database that cannot be used.
    """
    settings = read_settings(request.config_json, request.overrides)
    address, password = metadata_url.from_environment()
    metadata_url.wait(address, password, _SECONDS_TO_WAIT)
    compiled = compiled_graph.build(settings, request.where)
    found = ir.graph_digest(compiled)
    if found != request.graph_digest:
        raise errors.ConfigError(
            f"--graph-digest {request.graph_digest}: this image's code and the "
            f"overrides {request.overrides!r} give another graph, {found}. Compile "
            "the pipeline again with `m2f kubeflow compile` and this image."
        )
    reference = ir.write(compiled, request.where.artifact_root)
    connection = metadata_url.connection_config(address, password)
    _register(compiled, request, connection)
    _roll_back_earlier_runs(compiled, connection)
    return reference


def read_settings(config_json: str, overrides: str) -> config.PipelineConfig:
    """The configuration of a run.

    Raises:
        ConfigError: it cannot be used, or an override comes too late.
    """
    try:
        items = shlex.split(overrides)
    except ValueError as error:
        raise errors.ConfigError(f"overrides {overrides!r}: {error}.") from None
    try:
        values = json.loads(config_json)
    except ValueError as error:
        raise errors.ConfigError(f"--config-json: is no JSON: {error}.") from None
    if not isinstance(values, dict):
        raise errors.ConfigError(
            f"--config-json: holds a {type(values).__name__}, wanted sections."
        )
    return run_overrides.settings(values, items, "the compiled configuration")


def _register(
    compiled: pipeline_pb2.Pipeline,
    request: Request,
    connection: metadata_store_pb2.ConnectionConfig,
) -> None:
    """Registers the types and contexts that nodes would race for."""
    bound = pipeline_pb2.Pipeline()
    bound.CopyFrom(compiled)
    runtime_parameter_utils.substitute_runtime_parameter(
        bound, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: request.run_id}
    )
    cache_type = metadata_store_pb2.ContextType(
        name=context_lib.CONTEXT_TYPE_EXECUTION_CACHE
    )
    with metadata_handle.Handle(connection) as handle:
        common_utils.register_type_if_not_exist(handle, cache_type)
        for node in bound.nodes:
            spec = node.pipeline_node
            context_lib.prepare_contexts(handle, spec.contexts)
            common_utils.register_type_if_not_exist(handle, spec.node_info.type)
            for output in spec.outputs.outputs.values():
                common_utils.register_type_if_not_exist(
                    handle, output.artifact_spec.type
                )
        _name_run(handle.store, request)


def _roll_back_earlier_runs(
    compiled: pipeline_pb2.Pipeline, connection: metadata_store_pb2.ConnectionConfig
) -> None:
    """Rolls back; where that fails it must not keep this run from starting."""
    try:
        with metadata_handle.Handle(connection) as handle:
            found = executions.roll_back_abandoned(
                handle.store, compiled, clean_ups.BY_NODE
            )
    except OSError:
        logging.exception("earlier runs could not be cleared up")
    else:
        logging.info("recorded as failed: executions %s of earlier runs", found)


def _name_run(store: metadata_store.MetadataStore, request: Request) -> None:
    """Keeps the name people gave to the run beside the id KFP gave it."""
    run = store.get_context_by_type_and_name(
        constants.PIPELINE_RUN_CONTEXT_TYPE_NAME, request.run_id
    )
    if request.run_name and run is not None:
        run.custom_properties["run_name"].string_value = request.run_name
        store.put_contexts([run])
