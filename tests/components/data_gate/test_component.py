import json
import pathlib

import pytest
import tfx_nodes
from tfx.types import standard_artifacts

from components import artifact_types
from components.data_gate import component
from foundation import errors

INPUTS = {
    "anomalies": standard_artifacts.ExampleAnomalies,
    "statistics": standard_artifacts.ExampleStatistics,
    "report": artifact_types.IngestionReport,
}


def built(**changes):
    given = {**tfx_nodes.channels(**INPUTS), "num_queries": 20, **changes}
    return component.DataGate(**given)


def run(node, folder, **counts):
    """The node on a report of so many problems and no split."""
    inputs = tfx_nodes.artifacts(node.inputs, folder / "inputs")
    for name in ("anomalies", "statistics"):
        inputs[name][0].split_names = "[]"
    report = pathlib.Path(inputs["report"][0].uri)
    found = {kind: {"count": count} for kind, count in counts.items()}
    summary = {"splits": {}, "problems": found}
    (report / "summary.json").write_text(json.dumps(summary))
    (report / "problems.json").write_text('{"examples": []}')
    return tfx_nodes.run(node, inputs, folder / "outputs")["verdict"]


def test_it_declares_what_the_graph_connects():
    node = built()
    assert {name: c.type for name, c in node.inputs.items()} == INPUTS
    assert {name: c.type for name, c in node.outputs.items()} == {
        "verdict": artifact_types.DataVerdict
    }


def test_statistics_before_are_an_input_only_when_there_are_some():
    before = tfx_nodes.channels(
        previous_statistics=standard_artifacts.ExampleStatistics
    )
    assert "previous_statistics" not in built().inputs
    inputs = built(**before).inputs
    assert inputs["previous_statistics"] is before["previous_statistics"]


@pytest.mark.parametrize("name", [*INPUTS, "previous_statistics"])
def test_an_artifact_of_another_type_is_refused(name):
    wrong = tfx_nodes.channels(**{name: standard_artifacts.Schema})
    with pytest.raises(TypeError, match=name):
        built(**wrong)


def test_its_executor_judges_by_the_settings_it_was_built_with(tmp_path):
    node = built()
    assert set(node.exec_properties) == {"settings", "num_queries", "code_digest"}
    verdict = run(node, tmp_path / "clean", missing_image=0)
    assert verdict.get_int_custom_property("passed") == 1
    with pytest.raises(errors.DataGateError, match=r"missing_image\.limit=1"):
        run(node, tmp_path / "faulty", missing_image=1)
    settings = '{"problems": {"missing_image": {"limit": 1}}}'
    verdict = run(built(settings=settings), tmp_path / "allowed", missing_image=1)
    assert verdict.get_int_custom_property("passed") == 1


def test_what_decides_the_outcome_is_part_of_the_cache_key():
    changes = {"num_queries": 7, "settings": '{"problems": {}}', "code_digest": "x"}
    for name, value in changes.items():
        assert built().exec_properties[name] != value
        assert built(**{name: value}).exec_properties[name] == value
