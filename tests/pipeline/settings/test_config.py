import pydantic
import pytest

from foundation import config_section
from pipeline.settings import config


def sections(section):
    """The section and every one below it."""
    yield section
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, config_section.Section):
            yield from sections(value)


def test_no_field_of_any_section_can_be_set_and_no_key_added():
    found = list(sections(config.PipelineConfig()))
    # The whole, its eight sections, those of model and train (with colour jitter
    # and validation), those of kubeflow, the gate and its eight checks.
    assert len(found) == 1 + 8 + 7 + 4 + 1 + 8
    for section in found:
        for name in type(section).model_fields:
            with pytest.raises(pydantic.ValidationError, match="frozen"):
                setattr(section, name, getattr(section, name))
        with pytest.raises(pydantic.ValidationError, match="surplus"):
            type(section)(surplus=1)


def test_a_configuration_from_before_other_backbones_reads_as_a_resnet():
    old = config.PipelineConfig().model_dump(mode="json")
    del old["model"]["backbone"]["name"]
    old["data"]["pixel_statistics"] = "imagenet"
    found = config.PipelineConfig.model_validate(old)
    assert found.model == config.PipelineConfig().model
    assert found.data.pixel_statistics == "imagenet"


def test_json_reads_back_as_the_same_configuration_and_tells_another_apart():
    settings = config.PipelineConfig.model_validate(
        {
            "train": {"milestones": [0.5], "seed": 3},
            "data": {"gate": {"class_drift": {"limit": 1}}},
        }
    )
    text = settings.to_json()
    assert config.PipelineConfig.model_validate_json(text) == settings
    assert text != config.PipelineConfig().to_json()
    reordered = config.PipelineConfig.model_validate(
        {
            "data": {"gate": {"class_drift": {"limit": 1}}},
            "train": {"seed": 3, "milestones": [0.5]},
        }
    )
    assert reordered.to_json() == text
