import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline import errors, store


def written(path):
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    return metadata_store.MetadataStore(config)


def set_properties(row, values):
    kinds = {int: "int_value", float: "double_value", str: "string_value"}
    for key, value in values.items():
        setattr(row.custom_properties[key], kinds[type(value)], value)
    return row


def artifact(type_name, uri="", **properties):
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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metadata.sqlite"


def test_a_run_is_read_back_by_node_with_what_each_read_and_wrote(path):
    ml = written(path)
    data = artifact("Examples", "/data", split="train", num_images=3)
    model = artifact("Model", "/model", loss=0.25)
    record(ml, "monday", "Gen", {}, {"examples": data}, seed=7)
    record(ml, "monday", "Trainer", {"examples": data}, {"model": model}, "FAILED")
    record(ml, "tuesday", "Gen", {}, {"examples": artifact("Examples")})
    metadata = store.Store.open(path)
    run = metadata.run("monday")
    read_data = store.Artifact(
        data.id, "Examples", "/data", {"split": "train", "num_images": 3}
    )
    read_model = store.Artifact(model.id, "Model", "/model", {"loss": 0.25})
    assert sorted(run) == ["Gen", "Trainer"]
    assert (run["Gen"].state, run["Trainer"].state) == ("complete", "failed")
    assert run["Gen"].properties == {"seed": 7}
    assert (run["Gen"].inputs, run["Gen"].outputs) == ({}, {"examples": [read_data]})
    assert run["Trainer"].inputs == {"examples": [read_data]}
    assert run["Trainer"].outputs == {"model": [read_model]}
    assert run["Trainer"].run_id == "monday"
    assert metadata.run("sunday") == {}


def test_the_producer_ran_and_the_consumers_only_read(path):
    ml = written(path)
    data = artifact("Examples")
    record(ml, "monday", "Gen", {}, {"examples": data}, "CACHED")
    made = record(ml, "tuesday", "Gen", {}, {"examples": data})
    first = record(ml, "tuesday", "Gate", {"examples": data}, {})
    second = record(ml, "wednesday", "Gate", {"examples": data}, {}, "CACHED")
    metadata = store.Store.open(path)
    assert metadata.producer(data.id).execution_id == made
    readers = metadata.consumers(data.id)
    assert [reader.execution_id for reader in readers] == [first, second]


def test_artifacts_are_those_of_the_type_oldest_first(path):
    ml = written(path)
    for name in ("c", "a", "b"):
        outputs = {"model": artifact("Model", name), "log": artifact("Log", name)}
        record(ml, name, "Trainer", {}, outputs)
    found = store.Store.open(path).artifacts("Model")
    assert [(model.type_name, model.uri) for model in found] == [
        ("Model", "c"),
        ("Model", "a"),
        ("Model", "b"),
    ]


def test_a_missing_and_a_damaged_file_are_refused_and_left_alone(path):
    with pytest.raises(errors.WorkspaceError, match="metadata.sqlite: no metadata"):
        store.Store.open(path)
    assert not path.exists()
    path.write_bytes(b"")
    with pytest.raises(errors.WorkspaceError, match="not readable as ML Metadata"):
        store.Store.open(path)
    assert path.read_bytes() == b""
