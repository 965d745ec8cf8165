"""Small metadata stores, written as TFX writes them."""

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb


def written(path):
    """An empty metadata store in a file."""
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return metadata_store.MetadataStore(config)


def set_properties(row, values):
    """Gives a row custom properties of their own kinds."""
    kinds = {int: "int_value", float: "double_value", str: "string_value"}
    for key, value in values.items():
        setattr(row.custom_properties[key], kinds[type(value)], value)
    return row


def artifact(type_name, uri="", **properties):
    """A row that `record` writes."""
    return set_properties(pb.Artifact(type=type_name, uri=uri), properties)


def record(ml, run, node, inputs, outputs, state="COMPLETE", **properties):
    """Writes one execution as TFX does; gives its outputs their ids."""
    kind = ml.put_execution_type(pb.ExecutionType(name=node))
    row = pb.Execution(type_id=kind, last_known_state=state)
    pairs, contexts = [], []
    for event_type, side in ((pb.Event.INPUT, inputs), (pb.Event.OUTPUT, outputs)):
        for key, item in side.items():
            item.type_id = ml.put_artifact_type(pb.ArtifactType(name=item.type))
            event = pb.Event(type=event_type)
            event.path.steps.add().key = key
            event.path.steps.add().index = 0
            pairs.append((item, event))
    names = {"pipeline": "demo", "pipeline_run": run, "node": f"demo.{node}"}
    for name, value in names.items():
        type_id = ml.put_context_type(pb.ContextType(name=name))
        contexts.append(pb.Context(type_id=type_id, name=value))
    made, ids, _ = ml.put_execution(
        set_properties(row, properties),
        pairs,
        contexts,
        reuse_context_if_already_exist=True,
    )
    for (item, _), artifact_id in zip(pairs, ids, strict=True):
        item.id = artifact_id
    return made
