import errno
import os
import pathlib

import pytest
import tensorflow as tf

from foundation import errors
from model.train import failures

PLACE = pathlib.Path("/unfinished/abc")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        tf.errors.ResourceExhaustedError(
            None, None, "/unfinished/abc/ckpt-7; No space left on device [[x]]"
        ),
    ],
)
def test_a_full_disk_is_a_line_with_place_step_and_what_to_do(error):
    wanted = "/unfinished/abc: step 7 could not be saved: No space left on device. Make"
    with (
        pytest.raises(errors.PipelineError, match=wanted),
        failures.of_saving(PLACE, 7),
    ):
        raise error


def test_a_shard_that_is_gone_is_a_line_that_names_it(tmp_path):
    gone = str(tmp_path / "data_tfrecord-00001-of-00002.gz")
    with (
        pytest.raises(errors.PipelineError, match=r"after step 3: .*00001-of-00002.gz"),
        failures.of_reading(3),
    ):
        next(iter(tf.data.TFRecordDataset(gone, "GZIP")))


def test_too_little_memory_is_a_line_that_says_what_to_change():
    error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating [4]")
    with (
        pytest.raises(errors.PipelineError, match="step 5 .*OOM.*train.micro_batches"),
        failures.of_computing(5),
    ):
        raise error


def test_other_errors_are_as_they_were():
    with pytest.raises(tf.errors.InvalidArgumentError), failures.of_reading(3):
        raise tf.errors.InvalidArgumentError(None, None, "a fault of ours")
