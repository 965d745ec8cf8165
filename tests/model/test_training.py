import pytest

from foundation import errors
from model import training


@pytest.fixture
def shards(tmp_path):
    """Three shards of a split."""
    paths = [tmp_path / f"data_tfrecord-{n:05d}-of-00003.gz" for n in range(3)]
    for path in paths:
        path.touch()
    return paths


def test_all_files_that_the_patterns_stand_for_are_read(shards, tmp_path):
    found = training.training_files([f"{tmp_path}/*"])
    assert found == [str(path) for path in shards]


def test_a_missing_shard_is_one_line_that_names_it(shards, tmp_path):
    shards[1].unlink()
    with pytest.raises(
        errors.PipelineError, match=r"data_tfrecord-00001-of-00003.gz is"
    ):
        training.training_files([f"{tmp_path}/*"])


def test_no_file_at_all_is_one_line(tmp_path):
    with pytest.raises(errors.PipelineError, match=r"no file in .*Split-train"):
        training.training_files([f"{tmp_path}/Split-train/*"])


def test_files_with_other_names_are_taken_as_they_are(tmp_path):
    (tmp_path / "train.gz").touch()
    assert training.training_files([f"{tmp_path}/*"]) == [str(tmp_path / "train.gz")]
