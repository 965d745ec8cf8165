import pytest

from foundation import errors
from pipeline.cluster import pod_locations


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "data").mkdir()
    return {
        "data": str(tmp_path / "data"),
        "root": str(tmp_path / "new" / "artifacts"),
        "serving": str(tmp_path / "new" / "serving"),
    }


def test_folders_that_are_written_are_made(folders, tmp_path):
    found = pod_locations.require(**folders)
    assert found.data_roots == (folders["data"],)
    assert found.artifact_root == tmp_path / "new" / "artifacts"
    assert found.artifact_root.is_dir()
    assert found.serving_root.is_dir()


def test_places_in_a_bucket_are_made_while_the_data_is_in_a_folder(folders, gcs):
    inside = {"root": "gs://bucket/team/root/", "serving": "gs://bucket/serving"}
    found = pod_locations.require(**{**folders, **inside})
    assert str(found.artifact_root) == "gs://bucket/team/root"
    assert found.artifact_root.is_dir()
    assert "gs://bucket/serving/" in gcs.names("gs://bucket/")


def test_a_bucket_that_pods_may_not_use_is_refused_with_what_to_grant(folders, gcs):
    gcs.fail_next(100, status=403)
    message = "gs://bucket/closed: cannot be made: .*403.* may make, read, list and"
    with pytest.raises(errors.ConfigError, match=message):
        pod_locations.require(**{**folders, "root": "gs://bucket/closed"})
    gcs.recover()


def test_a_span_in_the_data_path_is_looked_up_later(folders):
    path = f"{folders['data']}/span-{{SPAN}}"
    assert pod_locations.require(**{**folders, "data": path}).data_roots == (path,)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("data", "relative", "--data 'relative': wanted an absolute path"),
        ("data", "/no/such/folder", "--data /no/such/folder: no such folder"),
        ("data", "gs://bucket/data", "--data 'gs://bucket/data': wanted an absolute"),
        ("root", "s3://bucket/root", "--root s3://bucket/root: TensorFlow 2.21 has no"),
        ("serving", "gs://bucket", "--serving gs://bucket: wanted a folder in a"),
        ("serving", "", "--serving '': wanted an absolute path"),
        ("root", "/dev/null/root", "/dev/null/root: cannot be made"),
    ],
)
def test_a_place_that_pods_do_not_share_is_refused(folders, name, value, wanted):
    with pytest.raises(errors.ConfigError, match=wanted):
        pod_locations.require(**{**folders, name: value})


@pytest.mark.parametrize("written", ["root", "serving"])
@pytest.mark.parametrize("data", ["{folder}", "{folder}/", "{folder}/{{SPAN}}"])
def test_data_that_a_run_would_write_into_is_refused(folders, tmp_path, written, data):
    path = data.format(folder=tmp_path / "data")
    inside = {"data": path, written: str(tmp_path / "data" / "inside")}
    with pytest.raises(errors.ConfigError, match=f"holds --{written} .*inside, so"):
        pod_locations.require(**{**folders, **inside})
    assert not (tmp_path / "data" / "inside").exists()


def test_folders_side_by_side_are_no_contradiction(folders, tmp_path):
    beside = str(tmp_path / "data-of-others")
    assert pod_locations.require(**{**folders, "root": beside}).artifact_root.is_dir()


def test_several_data_folders_are_checked_each(folders, tmp_path):
    (tmp_path / "more").mkdir()
    several = f"{folders['data']}:{tmp_path / 'more'}"
    found = pod_locations.require(**{**folders, "data": several})
    assert found.data_roots == (folders["data"], str(tmp_path / "more"))
    with pytest.raises(errors.ConfigError, match="--data /no/such: no such folder"):
        pod_locations.require(**{**folders, "data": f"{several}:/no/such"})
    inside = {**folders, "data": several, "root": str(tmp_path / "more" / "root")}
    with pytest.raises(errors.ConfigError, match="more: holds --root"):
        pod_locations.require(**inside)
