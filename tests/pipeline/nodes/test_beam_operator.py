import pathlib

import pytest
from tfx.dsl.compiler import compiler
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import cache_utils, data_types
from tfx.proto.orchestration import executable_spec_pb2, pipeline_pb2

from components.coco_example_gen import executor
from pipeline import graph, locations
from pipeline.nodes import beam_operator
from pipeline.settings import config

BEAM_NODES = {"CocoExampleGen", "StatisticsGen", "Transform"}


def compiled(**run):
    settings = config.PipelineConfig.model_validate(
        {"name": "a", "model": {"backbone": {"norm": "group"}}, "run": run}
    )
    root, serving = pathlib.Path("root"), pathlib.Path("serving")
    where = locations.Locations(("data",), root, serving)
    ir = compiler.Compiler().compile(graph.create_pipeline(settings, where))
    deployment = runner_utils.extract_local_deployment_config(ir)
    nodes = [node.pipeline_node.node_info.id for node in ir.nodes]
    return {
        node: runner_utils.extract_executor_spec(deployment, node) for node in nodes
    }


@pytest.fixture(scope="module")
def few():
    return compiled(beam_workers=1)


@pytest.fixture(scope="module")
def many():
    return compiled(beam_workers=4, beam_runner="flink")


@pytest.fixture
def key(tmp_path):
    """TFX's own cache key of a node that has a specification."""
    connection = metadata.sqlite_metadata_connection_config(str(tmp_path / "m.sqlite"))
    with metadata.Metadata(connection) as handle:
        yield (
            lambda spec: (
                cache_utils.get_cache_context(
                    handle,
                    pipeline_pb2.PipelineNode(),
                    pipeline_pb2.PipelineInfo(),
                    spec,
                ).name
            )
        )


def test_another_engine_is_another_key_for_tfx_and_the_same_for_us(few, many, key):
    for node in BEAM_NODES:
        assert key(few[node]) != key(many[node])
        bare, other = (beam_operator.detach(specs[node])[0] for specs in (few, many))
        assert key(bare) == key(other)


def test_only_beam_nodes_get_an_operator(few):
    with_operator = {n for n, spec in few.items() if beam_operator.detach(spec)[1]}
    assert with_operator == BEAM_NODES


def test_what_was_compiled_is_not_changed(few):
    spec = few["CocoExampleGen"]
    before = spec.SerializeToString()
    beam_operator.detach(spec)
    assert spec.SerializeToString() == before


def test_the_executor_gets_the_arguments_back(few, monkeypatch):
    bare, operators = beam_operator.detach(few["CocoExampleGen"])
    operator = operators[executable_spec_pb2.BeamExecutableSpec](
        executor_spec=bare, platform_config=None
    )
    seen = []
    monkeypatch.setattr(
        executor.Executor, "Do", lambda self, *_: seen.extend(self._beam_pipeline_args)
    )
    operator.run_executor(
        data_types.ExecutionInfo(
            execution_output_uri="/nowhere/unused", exec_properties={}
        )
    )
    assert "--direct_num_workers=1" in seen
    assert any(argument.endswith("FnApiRunner") for argument in seen)
