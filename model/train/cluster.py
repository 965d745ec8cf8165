"""Several processes that train one model: who is who, and how the others are told.

TensorFlow reads from TF_CONFIG where the workers are and which of them this process
is. Worker 0 is TFX's Trainer. It alone knows the examples and the transform graph, so
it leaves what it was called with in a file that the others (`train_worker.py`) wait
for. It alone writes checkpoints and exports.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import tensorflow as tf

from foundation import artifact_paths, errors

_CALL_FILE = "call_of_the_chief.json"
_POLL_SECONDS = 2.0
_PATIENCE_SECONDS = 300.0
_Result = TypeVar("_Result")


def is_chief() -> bool:
    """Whether this is worker 0, or trains alone."""
    return _task().get("index", 0) == 0


def configure(hosts: Sequence[str], index: int) -> None:
    """Sets TF_CONFIG for this process.

    Args:
        hosts: `host:port` of every worker, the chief's first.
        index: which of them this is.
    """
    task = {"type": "worker", "index": index}
    content = {"cluster": {"worker": list(hosts)}, "task": task}
    os.environ["TF_CONFIG"] = json.dumps(content)


@contextlib.contextmanager
def announced(
    call: Mapping[str, object], folder: artifact_paths.Path
) -> Iterator[None]:
    """While the block runs, the other workers find the chief's call.

    Args:
        call: arguments of `run_fn.run_fn` that the others need, as JSON takes them.
        folder: one that all workers see, and no other pipeline uses.

    Raises:
        OSError: the call could not be left or taken back for minutes.
    """
    if not (_task() and is_chief()):
        yield
        return
    file = folder / _CALL_FILE
    content = json.dumps(call).encode()
    _patiently(lambda: artifact_paths.write_whole(file, content))
    try:
        yield
    finally:
        _patiently(lambda: file.unlink(missing_ok=True))


def wait_for_call(folder: artifact_paths.Path) -> dict[str, object]:
    """What the chief was called with, once it has left it in `folder`.

    Raises:
        OSError: the folder could not be read for minutes.
    """
    while (content := _call(folder)) is None:
        time.sleep(_POLL_SECONDS)
    return json.loads(content)


def wait_for_end(folder: artifact_paths.Path) -> None:
    """Returns when the chief is done: a worker that leaves earlier stops the others.

    Raises:
        OSError: the folder could not be read for minutes.
    """
    while _call(folder) is not None:
        time.sleep(_POLL_SECONDS)


def _call(folder: artifact_paths.Path) -> str | None:
    """The chief's call as JSON; None when there is none."""
    with contextlib.suppress(FileNotFoundError):
        return _patiently((folder / _CALL_FILE).read_text)
    return None


def _patiently(step: Callable[[], _Result]) -> _Result:
    """Takes a step; one that an error keeps from is tried again for some minutes.

    Days of training must not end because a store refused one request.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return step()
        except FileNotFoundError:
            raise
        except OSError as error:
            if time.monotonic() > until:
                raise
            logging.warning("Trying again: %s", error)
            time.sleep(_POLL_SECONDS)


def share(batch_size: int) -> range:
    """Places in the effective batch that this process computes.

    Replicas take equal parts of the batch in their order, worker by worker.
    """
    index, number = int(_task().get("index", 0)), max(len(_hosts()), 1)
    return range(index * batch_size // number, (index + 1) * batch_size // number)


def require_agreement(strategy: tf.distribute.Strategy, key: str) -> None:
    """Makes sure that all workers are about to train the same thing.

    Args:
        key: hexadecimal digits that name it.

    Raises:
        PipelineError: another worker was called to another training.
    """
    if not _task():
        return
    number = int(key, 16) % 2**31
    values = strategy.run(lambda: tf.constant(number, tf.int64))
    total = int(strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))
    if total != number * strategy.num_replicas_in_sync:
        raise errors.PipelineError(
            "the workers were called to different trainings. They are started again "
            "and then agree; if not, two runs of this pipeline train at a time."
        )


def replicas_here(strategy: tf.distribute.Strategy) -> int:
    """How many of the replicas this process computes: every one has as many."""
    return max(strategy.num_replicas_in_sync // max(len(_hosts()), 1), 1)


def from_chief(strategy: tf.distribute.Strategy, value: float) -> float:
    """The chief's value, in every process; all of them have to ask for it.

    Args:
        value: finite; of others than the chief it does not matter.
    """
    if not _task():
        return value
    # Every replica of the chief gives the same.
    replicas = replicas_here(strategy)
    given = value / replicas if is_chief() else 0.0
    values = strategy.run(lambda: tf.constant(given, tf.float64))
    return float(strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None))


def _task() -> dict[str, str | int]:
    """`type` and `index` from TF_CONFIG; empty for a process that trains alone."""
    return _told().get("task", {})


def _hosts() -> list[str]:
    """`host:port` of every worker; empty for a process that trains alone."""
    return _told().get("cluster", {}).get("worker", [])


def _told() -> dict[str, dict]:
    return json.loads(os.environ.get("TF_CONFIG") or "{}")
