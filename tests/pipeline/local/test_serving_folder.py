import shutil

import pytest

from foundation import artifact_paths
from pipeline.local import serving_folder
from pipeline.metadata import store


def pushed(tmp_path) -> store.Artifact:
    copy = tmp_path / "artifact"
    copy.mkdir()
    (copy / "saved_model.pb").write_bytes(b"graph")
    (copy / "variables").mkdir()
    (copy / "variables" / "variables.index").write_bytes(b"weights")
    version = tmp_path / "serving" / "demo" / "17"
    shutil.copytree(copy, version)
    return store.Artifact(
        1, "PushedModel", str(copy), {"pushed_destination": str(version)}
    )


def test_a_version_that_is_there_is_left_alone(tmp_path):
    artifact = pushed(tmp_path)
    assert not serving_folder.restore(artifact)
    shutil.rmtree(artifact.uri)  # nothing is left to compare it with
    assert not serving_folder.restore(artifact)


def test_a_version_that_is_lost_with_its_copy_is_an_error(tmp_path):
    artifact = pushed(tmp_path)
    shutil.rmtree(artifact.uri)
    shutil.rmtree(tmp_path / "serving" / "demo" / "17")
    with pytest.raises(FileNotFoundError):
        serving_folder.restore(artifact)


@pytest.mark.parametrize("damage", ["removed", "emptied", "torn", "cut"])
def test_a_version_that_was_lost_is_put_back(tmp_path, damage):
    artifact = pushed(tmp_path)
    version = tmp_path / "serving" / "demo" / "17"
    if damage == "torn":
        shutil.rmtree(version / "variables")
    elif damage == "cut":
        (version / "variables" / "variables.index").write_bytes(b"wei")
    else:
        shutil.rmtree(version)
    if damage == "emptied":
        version.mkdir()
    assert serving_folder.restore(artifact)
    assert (version / "saved_model.pb").read_bytes() == b"graph"
    assert (version / "variables" / "variables.index").read_bytes() == b"weights"
    assert [path.name for path in version.parent.iterdir()] == ["17"]


@pytest.mark.parametrize("damage", ["removed", "half", "torn"])
def test_a_version_that_a_bucket_lost_is_put_back(gcs, damage):
    place = f"gs://bucket/{damage}"
    for name in ("saved_model.pb", "variables/variables.index"):
        gcs.write(f"{place}/artifact/{name}", name.encode())
    if damage == "half":
        gcs.write(f"{place}/serving/17/variables/left_over", b"")
    if damage == "torn":
        gcs.write(f"{place}/serving/17/saved_model.pb", b"saved_model.pb")
    artifact = store.Artifact(
        1,
        "PushedModel",
        f"{place}/artifact",
        {"pushed_destination": f"{place}/serving/17"},
    )
    assert serving_folder.restore(artifact)
    version = artifact_paths.of(f"{place}/serving/17")
    assert (version / "saved_model.pb").read_bytes() == b"saved_model.pb"
    assert [path.name for path in (version / "variables").iterdir()] == [
        "variables.index"
    ]
    assert not serving_folder.restore(artifact)
