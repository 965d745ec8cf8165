import typing

import pytest

from components.coco_example_gen import ingest_settings
from components.coco_example_gen.read import layout_finders
from foundation import errors
from pipeline.settings import config_file


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(.+", "is no regular expression"), (".+_[0-9]+", "has no group for the class")],
)
def test_a_label_pattern_that_cannot_tell_the_class_is_refused(pattern, message):
    with pytest.raises(errors.ConfigError, match=f"label_pattern.*{message}"):
        config_file.load("custom.yaml", [f"data.label_pattern={pattern}"])


def test_a_label_pattern_is_kept_for_ingestion():
    pattern = "(.+)[_-][0-9]+"
    settings = config_file.load("custom.yaml", [f"data.label_pattern={pattern}"])
    assert settings.data.ingest_settings().label_pattern == pattern


def test_every_layout_that_can_be_found_can_be_asked_for_and_no_other():
    accepted = typing.get_args(
        ingest_settings.IngestSettings.model_fields["layout"].annotation
    )
    assert list(accepted) == ["auto", *layout_finders.FINDERS]
