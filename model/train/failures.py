"""What TensorFlow raises while training, as one line: what, where, what to do."""

import contextlib
import errno
import os
from collections.abc import Iterator

import tensorflow as tf

from foundation import artifact_paths, errors

_LONGEST = 300  # characters of what TensorFlow says


@contextlib.contextmanager
def of_saving(folder: artifact_paths.Path, step: int) -> Iterator[None]:
    """While something of a training is written.

    Raises:
        PipelineError: it could not be.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise errors.PipelineError(
            f"{folder}: step {step} could not be saved: {_reason(error)}. Make room or "
            "put right what is wrong there, and run the same command again: training "
            "goes on from the checkpoint before."
        ) from error


@contextlib.contextmanager
def of_reading(step: int) -> Iterator[None]:
    """While a batch is read.

    Raises:
        PipelineError: it could not be.
    """
    try:
        yield
    except (tf.errors.NotFoundError, tf.errors.DataLossError, OSError) as error:
        raise errors.PipelineError(
            f"the examples cannot be read on after step {step}: {_reason(error)}. What "
            "CocoExampleGen stored was removed or changed while training read it. Put "
            "it back and run the same command again, or ingest again with "
            "run.enable_cache=false."
        ) from error


@contextlib.contextmanager
def of_computing(step: int) -> Iterator[None]:
    """While a step is computed.

    Raises:
        TrialError: the memory is too small for it.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise errors.TrialError(
            f"step {step} does not fit into memory: {_reason(error)}. Raise "
            "train.micro_batches, or lower train.augment.crop_size."
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    said = " ".join(str(getattr(error, "message", error)).split())
    full = os.strerror(errno.ENOSPC)
    return full if full in said else said.partition(" [[")[0][:_LONGEST].rstrip(". ")
