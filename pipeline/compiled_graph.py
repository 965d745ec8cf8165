"""From a configuration to the compiled graph that a runner executes."""

import hashlib

from tfx.dsl.compiler import compiler
from tfx.proto.orchestration import pipeline_pb2

from foundation import artifact_paths
from pipeline import graph
from pipeline.nodes import ir
from pipeline.settings import config


def build(
    settings: config.PipelineConfig,
    data: tuple[str, ...],
    root: artifact_paths.Path,
    serving: artifact_paths.Path,
) -> pipeline_pb2.Pipeline:
    """Compiles the graph with the paths of one place.

    The run id stays a parameter, and no metadata store is named in it.

    Args:
        data: the folders of annotated images.
        root: artifacts go to `<root>/<name>`, the schema to `<root>/schemas`.
        serving: blessed models go to `<serving>/<model name>/<version>`.
    """
    locations = graph.Locations(
        data_roots=data,
        artifact_root=str(root / settings.name),
        serving_root=str(serving),
        schema_file=str(_schema_by_content(root / "schemas")),
    )
    return compiler.Compiler().compile(graph.create_pipeline(settings, locations))


def _schema_by_content(folder: artifact_paths.Path) -> artifact_paths.Path:
    """The schema under a name that changes with its content, and only with it."""
    content = graph.SCHEMA.read_bytes()
    path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.pbtxt"
    ir.write_once(path, content)
    return path
