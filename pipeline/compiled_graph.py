"""From a configuration to the compiled graph that a runner executes."""

from tfx.dsl.compiler import compiler
from tfx.proto.orchestration import pipeline_pb2

from foundation import artifact_paths
from pipeline import graph, locations
from pipeline.nodes import ir
from pipeline.settings import config


def build(
    settings: config.PipelineConfig, shared: locations.Locations
) -> pipeline_pb2.Pipeline:
    """Compiles the graph with the paths of one machine or cluster.

    The run id stays a parameter, and no metadata store is named in it.

    Args:
        shared: of all pipelines there: artifacts of this one go to
            `<artifact_root>/<name>`, the schema to `<artifact_root>/schemas`.
    """
    schema = _schema_by_content(shared.artifact_root / "schemas")
    own = shared.of_pipeline(settings.name, schema)
    return compiler.Compiler().compile(graph.create_pipeline(settings, own))


def _schema_by_content(folder: artifact_paths.Path) -> artifact_paths.Path:
    """The schema under a name that changes with its content, and only with it."""
    path = folder / f"{locations.schema_digest()}.pbtxt"
    ir.write_once(path, locations.SCHEMA.read_bytes())
    return path
