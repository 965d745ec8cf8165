import pytest
import tfx_nodes
from tfx.types import standard_artifacts

from components.serving_validator import component

INPUTS = {"examples": standard_artifacts.Examples, "model": standard_artifacts.Model}


def built(**changes):
    return component.ServingValidator(**{**tfx_nodes.channels(**INPUTS), **changes})


def test_it_declares_what_the_graph_connects():
    node = built()
    assert {name: c.type for name, c in node.inputs.items()} == INPUTS
    assert {name: c.type for name, c in node.outputs.items()} == {
        "blessing": standard_artifacts.InfraBlessing
    }


@pytest.mark.parametrize("name", INPUTS)
def test_an_artifact_of_another_type_is_refused(name):
    wrong = tfx_nodes.channels(**{name: standard_artifacts.Schema})
    with pytest.raises(TypeError, match=name):
        built(**wrong)


def test_all_that_its_executor_reads_is_among_its_properties(tmp_path):
    node = built()
    assert node.exec_properties["example_split"] == "eval"
    inputs = tfx_nodes.artifacts(node.inputs, tmp_path / "inputs")
    inputs["examples"][0].split_names = '["train"]'
    blessing = tfx_nodes.run(node, inputs, tmp_path / "outputs")["blessing"]
    assert blessing.get_int_custom_property("blessed") == 0
    assert "no eval images" in blessing.get_string_custom_property("reason")


def test_what_decides_the_outcome_is_part_of_the_cache_key():
    changes = {
        "num_requests": 4,
        "timeout_seconds": 5,
        "code_digest": "x",
        "example_split": "test",
    }
    assert set(built().exec_properties) == set(changes)
    for name, value in changes.items():
        assert built().exec_properties[name] != value
        assert built(**{name: value}).exec_properties[name] == value
