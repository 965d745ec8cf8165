import pathlib

import pytest
from tfx.proto.orchestration import pipeline_pb2

from pipeline import compiled_graph, locations
from pipeline.nodes import ir
from pipeline.settings import config_file


def build(folder, *overrides):
    shared = locations.Locations(("/data",), folder / "artifacts", folder / "serving")
    return compiled_graph.build(config_file.load("demo.yaml", overrides), shared)


def schema_file(compiled):
    parameters = ir.find_node(compiled, "ImportSchemaGen").parameters.parameters
    return pathlib.Path(parameters["schema_file"].field_value.string_value)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def compiled(shared):
    return build(shared)


def test_artifacts_of_a_pipeline_go_to_its_own_folder(compiled, shared):
    assert ir.artifact_root(compiled) == shared / "artifacts" / "demo"


def test_the_run_id_stays_open(compiled):
    run_id = compiled.runtime_spec.pipeline_run_id
    assert run_id.WhichOneof("value") == "runtime_parameter"


def test_no_metadata_store_is_named(compiled):
    deployment = pipeline_pb2.IntermediateDeploymentConfig()
    assert compiled.deployment_config.Unpack(deployment)
    assert deployment.executor_specs  # so it is what was looked for
    assert not deployment.HasField("metadata_connection_config")


def test_the_schema_lies_beside_the_pipelines_under_a_name_of_its_content(
    compiled, shared, monkeypatch, tmp_path
):
    path = schema_file(compiled)
    assert path.parent == shared / "artifacts" / "schemas"
    assert path.read_bytes() == locations.SCHEMA.read_bytes()

    other = tmp_path / "other.pbtxt"
    other.write_bytes(locations.SCHEMA.read_bytes() + b"\n")
    monkeypatch.setattr(locations, "SCHEMA", other)
    changed = schema_file(build(shared))
    assert changed.parent == path.parent and changed != path
    assert changed.read_bytes() == other.read_bytes()
    assert path.is_file()  # which runs of before still read


def test_compiling_again_gives_the_same_graph_and_leaves_the_schema_alone(
    compiled, shared
):
    path = schema_file(compiled)
    before = path.stat().st_mtime_ns
    again = build(shared)
    assert again.SerializeToString(deterministic=True) == compiled.SerializeToString(
        deterministic=True
    )
    assert path.stat().st_mtime_ns == before


def test_pipelines_of_one_root_share_the_schema_and_nothing_else(compiled, shared):
    other = build(shared, "name=other")
    assert schema_file(other) == schema_file(compiled)
    assert ir.artifact_root(other) == shared / "artifacts" / "other"
    assert other.pipeline_info.id == "other"
