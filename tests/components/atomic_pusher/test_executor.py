import json
import pathlib
import shutil

import pytest
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.atomic_pusher import executor


def artifact(kind, uri, **properties):
    made = kind()
    made.uri = str(uri)
    for key, value in properties.items():
        made.set_int_custom_property(key, value)
    return made


def push(tmp_path, *, blessed=1):
    """Runs the executor on a model of two files.

    Returns:
        The output artifact.
    """
    saved_model = tmp_path / "model" / "Format-Serving"
    (saved_model / "variables").mkdir(parents=True, exist_ok=True)
    (saved_model / "saved_model.pb").write_bytes(b"graph")
    (saved_model / "variables" / "variables.index").write_bytes(b"weights")
    inputs = {
        "model": [artifact(standard_artifacts.Model, tmp_path / "model")],
        "model_blessing": [
            artifact(standard_artifacts.ModelBlessing, tmp_path, blessed=blessed)
        ],
        "infra_blessing": [
            artifact(standard_artifacts.InfraBlessing, tmp_path, blessed=1)
        ],
    }
    (tmp_path / "INFRA_BLESSED").touch()
    folder = tmp_path / "Pusher" / "pushed_model" / "7"
    folder.mkdir(parents=True)
    pushed = artifact(standard_artifacts.PushedModel, folder)
    destination = {"filesystem": {"base_directory": str(tmp_path / "serving")}}
    properties = {"push_destination": json.dumps(destination)}
    executor.Executor().Do(inputs, {"pushed_model": [pushed]}, properties)
    assert json.loads(properties["push_destination"]) == destination
    return pushed


def in_serving(tmp_path):
    return list((tmp_path / "serving").iterdir())


def test_a_blessed_model_is_pushed_whole_under_its_final_name(tmp_path):
    pushed = push(tmp_path)
    (version,) = in_serving(tmp_path)
    assert version.name.isdecimal()
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert pushed.get_string_custom_property("pushed_version") == version.name
    assert pushed.get_int_custom_property("pushed") == 1
    assert (version / "saved_model.pb").read_bytes() == b"graph"
    assert (version / "variables" / "variables.index").read_bytes() == b"weights"


def test_a_model_that_is_not_blessed_leaves_nothing_behind(tmp_path):
    pushed = push(tmp_path, blessed=0)
    assert in_serving(tmp_path) == []
    assert pushed.get_int_custom_property("pushed") == 0


def test_a_push_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "Pusher").mkdir()
    (tmp_path / "Pusher" / "pushed_model").mkdir()
    # A link to nowhere: the copy ends half-way.
    weights = tmp_path / "model" / "Format-Serving" / "variables"
    weights.mkdir(parents=True)
    (weights / "variables.data").symlink_to(tmp_path / "nowhere")
    with pytest.raises(fileio.NotFoundError):
        push(tmp_path)
    assert in_serving(tmp_path) == []


@pytest.mark.parametrize("lost_in", ["serving", "pushed_model"])
def test_a_copy_that_lacks_a_folder_is_not_pushed(tmp_path, monkeypatch, lost_in):
    def lose(source, target, **keywords):
        copy_dir(source, target, **keywords)
        if lost_in in pathlib.Path(target).relative_to(tmp_path).parts:
            shutil.rmtree(pathlib.Path(target) / "variables")

    copy_dir = io_utils.copy_dir
    monkeypatch.setattr(io_utils, "copy_dir", lose)
    with pytest.raises(OSError, match=r"missing.*variables/variables\.index"):
        push(tmp_path)
    assert in_serving(tmp_path) == []
