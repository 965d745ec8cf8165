import pytest
import tfx_nodes
from tfx.types import standard_artifacts

from components.coco_evaluator import component

INPUTS = {"examples": standard_artifacts.Examples, "model": standard_artifacts.Model}


def built(eval_config="{}", **changes):
    return component.CocoEvaluator(
        **{**tfx_nodes.channels(**INPUTS), **changes}, eval_config=eval_config
    )


def test_it_declares_what_the_graph_connects():
    node = built()
    assert {name: c.type for name, c in node.inputs.items()} == INPUTS
    assert {name: c.type for name, c in node.outputs.items()} == {
        "evaluation": standard_artifacts.ModelEvaluation,
        "blessing": standard_artifacts.ModelBlessing,
    }


def test_a_baseline_is_an_input_only_when_there_is_one():
    baseline = tfx_nodes.channels(baseline_model=standard_artifacts.Model)
    assert "baseline_model" not in built().inputs
    assert built(**baseline).inputs["baseline_model"] is baseline["baseline_model"]


@pytest.mark.parametrize("name", [*INPUTS, "baseline_model"])
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
    assert "eval split is missing" in blessing.get_string_custom_property("reason")


def test_what_decides_the_outcome_is_part_of_the_cache_key():
    changes = {"batch_size": 2, "code_digest": "x", "example_split": "test"}
    assert set(built().exec_properties) == {*changes, "eval_config"}
    for name, value in changes.items():
        assert built().exec_properties[name] != value
        assert built(**{name: value}).exec_properties[name] == value
    assert built(eval_config="[]").exec_properties["eval_config"] == "[]"
