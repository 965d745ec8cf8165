import pydantic
import pytest

from components.coco_example_gen import problems
from components.data_gate import gate_settings
from foundation import errors
from pipeline.settings import config_file


def read(values):
    return gate_settings.GateConfig.model_validate(values)


def test_every_kind_of_problem_has_a_severity_and_what_loses_images_stops():
    found = gate_settings.GateConfig().problems
    assert set(found) == set(problems.SEVERITIES)
    stopping = {kind for kind, check in found.items() if check.severity == "error"}
    lost = {"missing_image", "broken_image", "oversized_image"}
    assert stopping == {"unsafe_path", *lost}
    told = {kind for kind, check in found.items() if check.severity == "warning"}
    assert {"empty_mask", "class_absent_from_split", "image_in_both_splits"} <= told
    assert found["exif_turned"].severity == "off"


def test_what_is_not_given_of_a_check_keeps_its_default():
    found = read(
        {
            "problems": {"missing_image": {"limit": 2}},
            "class_drift": {"severity": "error"},
            "rare_classes": {"min_instances": 3},
        }
    )
    default = gate_settings.GateConfig()
    assert found.problems["missing_image"].severity == "error"
    assert found.problems["missing_image"].limit == 2
    assert found.problems["broken_image"] == default.problems["broken_image"]
    assert found.class_drift.severity == "error"
    assert found.class_drift.limit == default.class_drift.limit
    assert found.rare_classes.min_instances == 3
    assert found.rare_classes.severity == "warning"
    assert found.empty_images == default.empty_images


def test_json_reads_back_as_the_same():
    found = read({"problems": {"missing_image": {"limit": 2}}})
    text = found.model_dump_json()
    assert gate_settings.GateConfig.model_validate_json(text) == found
    assert found != gate_settings.GateConfig()


@pytest.mark.parametrize(
    "values",
    [
        {"class_drift": 0.3},
        {"class_drift": {"severity": "eror"}},
        {"class_drift": {"limit": -1}},
        {"rare_classes": {"min_instances": 0}},
        {"problems": {"missing_image": 2}},
        {"problems": 3},
    ],
)
def test_impossible_values_are_refused(values):
    with pytest.raises(pydantic.ValidationError):
        read(values)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("data.gate.problems.mising_image.limit=2", "mising_image is no kind of prob"),
        ("data.gate.problems.missing_image.limt=2", "Known here: severity, limit"),
        ("data.gate.class_drfit.limit=2", "Known here: problems, anomalies"),
    ],
)
def test_an_unknown_key_is_named_with_those_there_are(override, told):
    with pytest.raises(errors.ConfigError, match=told):
        config_file.load("demo.yaml", [override])
