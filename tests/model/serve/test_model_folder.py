import json

import pytest

from foundation import errors
from model.serve import model_folder


def test_the_highest_complete_version_is_taken(tmp_path):
    for version in ("9", "10", "notes"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "saved_model.pb").touch()
    (tmp_path / "11").mkdir()  # its copy was interrupted
    assert model_folder.newest_version(tmp_path) == tmp_path / "10"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(errors.ModelFileError, match="nowhere: no such folder"):
        model_folder.newest_version(tmp_path / "nowhere")


def test_a_folder_without_a_model_says_what_it_holds(tmp_path):
    (tmp_path / "weights.h5").touch()
    with pytest.raises(errors.ModelFileError, match=r"found \['weights.h5'\]"):
        model_folder.newest_version(tmp_path)


def test_a_model_tells_of_its_training_if_it_can(tmp_path):
    extra = tmp_path / "assets.extra"
    assert model_folder.training_of(tmp_path) == {}
    extra.mkdir()
    info = extra / "info.json"
    for text in ("cut off {", "{}", json.dumps({"training": "no JSON"})):
        info.write_text(text)
        assert model_folder.training_of(tmp_path) == {}
    info.write_text(json.dumps({"training": json.dumps({"steps": 3})}))
    assert model_folder.training_of(tmp_path) == {"steps": 3}
