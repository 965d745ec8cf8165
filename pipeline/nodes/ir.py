"""The compiled graph as a file that every pod reads, named by its content.

TFX calls the compiled form the IR: a protobuf with nodes, edges and properties. It
holds no database address and no run id, so equal configurations give equal files.
"""

import hashlib
import json

from google.protobuf import message
from tfx.proto.orchestration import pipeline_pb2

from foundation import artifact_paths, errors

_FOLDER = "pipeline_ir"


def graph_digest(compiled: pipeline_pb2.Pipeline) -> str:
    """Digest of node ids and edges, 64 hexadecimal digits; paths do not count."""
    edges = {
        node.pipeline_node.node_info.id: sorted(node.pipeline_node.upstream_nodes)
        for node in compiled.nodes
    }
    return hashlib.sha256(json.dumps(edges, sort_keys=True).encode()).hexdigest()


def write(compiled: pipeline_pb2.Pipeline, root: artifact_paths.Path) -> str:
    """Writes the graph below `root`.

    Returns:
        `<file>#<sha256>`, for `read`.
    """
    content = compiled.SerializeToString(deterministic=True)
    digest = hashlib.sha256(content).hexdigest()
    write_once(root / _FOLDER / f"{digest}.pb", content)
    return f"{root / _FOLDER / digest}.pb#{digest}"


def write_once(path: artifact_paths.Path, content: bytes) -> None:
    """Writes a file whose name tells its content, unless it is there."""
    if path.is_file() and path.read_bytes() == content:
        return
    artifact_paths.write_whole(path, content)


def read(reference: str) -> pipeline_pb2.Pipeline:
    """Reads what `write` wrote.

    Raises:
        ConfigError: the file is gone, or is not the one that was written.
    """
    name, wanted = _parts(reference)
    try:
        content = artifact_paths.of(name).read_bytes()
    except OSError as error:
        raise errors.ConfigError(
            f"--reference {name}: cannot be read: {error.strerror}. The task "
            "`prepare` wrote it; see that this pod mounts the same volume, or may read "
            "the bucket."
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise errors.ConfigError(
            f"--reference {name}: its sha256 is {found}, wanted {wanted or 'none'}. "
            "The file was changed after `prepare` wrote it: start a new run."
        )
    compiled = pipeline_pb2.Pipeline()
    try:
        compiled.ParseFromString(content)
    except message.DecodeError:
        raise errors.ConfigError(
            f"--reference {name}: is no compiled pipeline. Start a new run."
        ) from None
    return compiled


def root_of(reference: str) -> artifact_paths.Path:
    """The `root` that was given to `write`."""
    return artifact_paths.of(_parts(reference)[0]).parents[1]


def _parts(reference: str) -> tuple[str, str]:
    """Address of the file, which may hold a `#` itself, and its sha256 or nothing."""
    name, separator, digest = reference.rpartition("#")
    return (name, digest) if separator else (reference, "")


def artifact_root(compiled: pipeline_pb2.Pipeline) -> artifact_paths.Path:
    """TFX's pipeline root, which is a parameter until a run is bound to the graph."""
    root = compiled.runtime_spec.pipeline_root
    bound = root.field_value.string_value
    return artifact_paths.of(bound or root.runtime_parameter.default_value.string_value)


def find_node(
    compiled: pipeline_pb2.Pipeline, node_id: str
) -> pipeline_pb2.PipelineNode:
    """The node of that id.

    Raises:
        ConfigError: there is none.
    """
    nodes = {
        node.pipeline_node.node_info.id: node.pipeline_node for node in compiled.nodes
    }
    if node_id not in nodes:
        raise errors.ConfigError(
            f"--node-id {node_id!r}: the graph has no such node. It has: "
            f"{', '.join(nodes)}. Compile the pipeline again with this image's code."
        )
    return nodes[node_id]
