import pathlib

import pytest
import tfx_nodes
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts

from components.atomic_pusher import component


def built(base):
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(base))
    )
    return component.Pusher(
        **tfx_nodes.channels(
            model=standard_artifacts.Model,
            model_blessing=standard_artifacts.ModelBlessing,
            infra_blessing=standard_artifacts.InfraBlessing,
        ),
        push_destination=destination,
    )


def test_it_takes_and_gives_what_tfxs_pusher_does():
    node = built("serving")
    assert set(node.inputs) == {"model", "model_blessing", "infra_blessing"}
    assert {name: c.type for name, c in node.outputs.items()} == {
        "pushed_model": standard_artifacts.PushedModel
    }
    assert node.id == "Pusher"  # the name that the metadata of earlier runs has


def blessed_model(node, tmp_path):
    """Inputs whose model is one file, and the folder of that file."""
    inputs = tfx_nodes.artifacts(node.inputs, tmp_path / "inputs")
    saved_model = pathlib.Path(inputs["model"][0].uri, "Format-Serving")
    saved_model.mkdir()
    (saved_model / "saved_model.pb").write_bytes(b"graph")
    for name in ("model_blessing", "infra_blessing"):
        inputs[name][0].set_int_custom_property("blessed", 1)
    pathlib.Path(inputs["infra_blessing"][0].uri, "INFRA_BLESSED").touch()
    return inputs, saved_model


def test_what_was_blessed_appears_in_the_folder_it_was_built_with(tmp_path):
    node = built(tmp_path / "serving")
    inputs, _ = blessed_model(node, tmp_path)
    pushed = tfx_nodes.run(node, inputs, tmp_path / "Pusher" / "7")["pushed_model"]
    (version,) = (tmp_path / "serving").iterdir()
    assert pushed.get_string_custom_property("pushed_version") == version.name
    assert (version / "saved_model.pb").read_bytes() == b"graph"


def test_a_push_that_ends_half_way_leaves_no_version(tmp_path):
    """Unlike TFX's own executor, which copies to the place itself."""
    node = built(tmp_path / "serving")
    inputs, saved_model = blessed_model(node, tmp_path)
    (saved_model / "weights").symlink_to(tmp_path / "nowhere")
    with pytest.raises(fileio.NotFoundError):
        tfx_nodes.run(node, inputs, tmp_path / "Pusher" / "7")
    assert list((tmp_path / "serving").iterdir()) == []
