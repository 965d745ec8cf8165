import dataclasses
import json

import mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2

from foundation import errors
from pipeline import locations
from pipeline.cluster import run_preparation
from pipeline.metadata import metadata_url, store
from pipeline.nodes import ir
from pipeline.settings import config_file


@pytest.fixture
def request_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("M2F_METADATA_URL", f"sqlite:///{tmp_path / 'metadata.db'}")
    settings = config_file.load("demo.yaml").model_dump(
        mode="json", exclude={"kubeflow"}
    )
    return run_preparation.Request(
        config_json=json.dumps(settings),
        overrides="",
        where=locations.Locations(
            ("/data",), tmp_path / "artifacts", tmp_path / "serving"
        ),
        run_id="1234",
        run_name="nightly",
        graph_digest="",
    )


def changed(request, **values):
    return dataclasses.replace(request, **values)


def test_overrides_are_split_as_a_shell_does():
    text = "train.steps=7  'evaluate.min_class_ap={big cat: 0.5}' name=a"
    settings = run_preparation.read_settings("{}", text)
    assert settings.train.steps == 7
    assert settings.evaluate.min_class_ap == {"big cat": 0.5}
    assert settings.name == "a"


@pytest.mark.parametrize(
    ("config_json", "overrides", "wanted"),
    [
        ("{", "", "--config-json: is no JSON"),
        ("[]", "", "holds a list"),
        ('{"trian": {}}', "", "trian: unknown key"),
        ("{}", "train.step=1", "train.step: unknown key"),
        ("{}", "train.steps", "wanted section.key=value"),
        ("{}", "'train.steps=1", "No closing quotation"),
        ("{}", "kubeflow.image=x", "pods were laid down when"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(config_json, overrides, wanted):
    with pytest.raises(errors.ConfigError, match=wanted):
        run_preparation.read_settings(config_json, overrides)


def test_another_graph_than_the_compiled_one_is_refused_and_the_same_one_is_written(
    request_of_a_run, tmp_path
):
    with pytest.raises(errors.ConfigError, match="give another graph") as caught:
        run_preparation.prepare(request_of_a_run)
    digest = str(caught.value).split("give another graph, ")[1][:64]
    asked = changed(request_of_a_run, graph_digest=digest, overrides="train.steps=7")
    reference = run_preparation.prepare(asked)
    compiled = ir.read(reference)
    assert ir.graph_digest(compiled) == digest
    assert ir.artifact_root(compiled) == tmp_path / "artifacts" / "demo"
    assert "1234" not in str(compiled.runtime_spec)
    trainer = ir.find_node(compiled, "Trainer").parameters.parameters
    assert json.loads(trainer["train_args"].field_value.string_value) == {
        "num_steps": 7
    }
    # The same once more, as KFP does when a pod was lost.
    assert run_preparation.prepare(asked) == reference

    address, password = metadata_url.from_environment()
    database = metadata_url.connect(address, password)
    (run,) = database.get_contexts_by_type("pipeline_run")
    assert run.name == "1234"
    assert run.custom_properties["run_name"].string_value == "nightly"
    assert len(database.get_contexts_by_type("node")) == len(compiled.nodes)
    assert database.get_context_type("execution_cache").id
    assert {"Model", "PushedModel"} <= {t.name for t in database.get_artifact_types()}
    assert store.Store(database).run("1234") == {}


def test_what_a_stopped_run_left_running_is_recorded_as_failed(request_of_a_run):
    with pytest.raises(errors.ConfigError) as caught:
        run_preparation.prepare(request_of_a_run)
    digest = str(caught.value).split("give another graph, ")[1][:64]
    address, password = metadata_url.from_environment()
    database = metadata_url.connect(address, password)
    left = mlmd.record(database, "stopped", "Trainer", {}, {}, state="RUNNING")
    run_preparation.prepare(changed(request_of_a_run, graph_digest=digest))
    (execution,) = database.get_executions_by_id([left])
    assert execution.last_known_state == metadata_store_pb2.Execution.FAILED
