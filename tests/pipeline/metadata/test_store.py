import mlmd
import pytest

from foundation import errors
from pipeline.metadata import store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metadata.sqlite"


def test_a_run_is_read_back_by_node_with_what_each_read_and_wrote(path):
    ml = mlmd.written(path)
    data = mlmd.artifact("Examples", "/data", split="train", num_images=3)
    model = mlmd.artifact("Model", "/model", loss=0.25)
    mlmd.record(ml, "monday", "Gen", {}, {"examples": data}, seed=7)
    mlmd.record(ml, "monday", "Trainer", {"examples": data}, {"model": model}, "FAILED")
    mlmd.record(ml, "tuesday", "Gen", {}, {"examples": mlmd.artifact("Examples")})
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
    ml = mlmd.written(path)
    data = mlmd.artifact("Examples")
    mlmd.record(ml, "monday", "Gen", {}, {"examples": data}, "CACHED")
    made = mlmd.record(ml, "tuesday", "Gen", {}, {"examples": data})
    first = mlmd.record(ml, "tuesday", "Gate", {"examples": data}, {})
    second = mlmd.record(ml, "wednesday", "Gate", {"examples": data}, {}, "CACHED")
    metadata = store.Store.open(path)
    assert metadata.producer(data.id).execution_id == made
    readers = metadata.consumers(data.id)
    assert [reader.execution_id for reader in readers] == [first, second]


def test_artifacts_are_those_of_the_type_oldest_first(path):
    ml = mlmd.written(path)
    for name in ("c", "a", "b"):
        outputs = {
            "model": mlmd.artifact("Model", name),
            "log": mlmd.artifact("Log", name),
        }
        mlmd.record(ml, name, "Trainer", {}, outputs)
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
