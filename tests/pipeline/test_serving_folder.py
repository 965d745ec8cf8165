import shutil

import pytest

from pipeline import serving_folder, store


def pushed(tmp_path) -> store.Artifact:
    copy = tmp_path / "artifact"
    copy.mkdir()
    (copy / "saved_model.pb").write_bytes(b"graph")
    version = tmp_path / "serving" / "demo" / "17"
    shutil.copytree(copy, version)
    return store.Artifact(
        1, "PushedModel", str(copy), {"pushed_destination": str(version)}
    )


def test_a_version_that_is_there_is_left_alone(tmp_path):
    artifact = pushed(tmp_path)
    assert not serving_folder.restore(artifact)


@pytest.mark.parametrize("damage", ["removed", "emptied"])
def test_a_version_that_was_lost_is_put_back(tmp_path, damage):
    artifact = pushed(tmp_path)
    version = tmp_path / "serving" / "demo" / "17"
    shutil.rmtree(version)
    if damage == "emptied":
        version.mkdir()
    assert serving_folder.restore(artifact)
    assert (version / "saved_model.pb").read_bytes() == b"graph"
    assert [path.name for path in version.parent.iterdir()] == ["17"]
