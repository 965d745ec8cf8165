"""TensorBoard curves in which every step stands once, however often a run restarts."""

import pathlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from foundation import artifact_paths
from model.train import failures

_EVENTS = "events.out.tfevents."


class Curves:
    """What is drawn of a training from a step on, after what was drawn before it.

    Args:
        start: what was drawn for later steps goes: those steps are made again.
        is_kept: False draws nothing, for all but one of several processes.
    """

    def __init__(self, folder: artifact_paths.Path, start: int, is_kept: bool = True):
        self._folder = folder
        self._writer: Any = tf.summary.create_noop_writer()
        if is_kept:
            with failures.of_saving(folder, start):
                folder.mkdir(parents=True, exist_ok=True)
                _cut(folder, start)
                self._writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, step: int, values: Mapping[str, float | np.ndarray]) -> None:
        """Draws a point of each curve."""
        with failures.of_saving(self._folder, step), self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def images(self, step: int, name: str, pictures: Sequence[np.ndarray]) -> None:
        """Shows pictures, uint8 [H, W, 3] each."""
        with failures.of_saving(self._folder, step), self._writer.as_default(step=step):
            for number, picture in enumerate(pictures):
                tf.summary.image(f"{name}/{number}", picture[np.newaxis])

    def flush(self, step: int) -> None:
        """Writes all points: call before a checkpoint, which they must not lack."""
        with failures.of_saving(self._folder, step):
            self._writer.flush()

    def close(self, step: int) -> None:
        with failures.of_saving(self._folder, step):
            self._writer.close()


def _cut(folder: artifact_paths.Path, last: int) -> None:
    """Makes one file of all events up to a step.

    A process may end between writing it and removing the others, so what stands in
    several files counts once.
    """
    old = sorted(p for p in folder.iterdir() if p.name.startswith(_EVENTS))
    kept: dict[bytes, None] = {}
    for path in old:
        for record in _records(path):
            event = tf.compat.v1.Event.FromString(record)
            if event.step <= last and event.HasField("summary"):
                kept[record] = None
    if kept:
        _write(folder, list(kept))
    for path in old:
        path.unlink(missing_ok=True)


def _records(path: artifact_paths.Path) -> Iterator[bytes]:
    """Events of a file up to where it is cut off."""
    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.DataLossError:
        return


def _write(folder: artifact_paths.Path, records: list[bytes]) -> None:
    # TensorBoard reads files by their names: before the one that is written now.
    name = f"{_EVENTS}{int(time.time()) - 1:010d}.kept.{uuid.uuid4().hex}"
    version = tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2")
    content = [version.SerializeToString(), *records]
    target = folder / name
    if isinstance(target, pathlib.Path):
        with artifact_paths.whole_file(target) as partial:
            _write_records(str(partial), content)
    else:
        _write_records(str(target), content)


def _write_records(path: str, records: list[bytes]) -> None:
    with tf.io.TFRecordWriter(path) as writer:
        for record in records:
            writer.write(record)
