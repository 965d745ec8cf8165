"""The log of one container, kept where it outlives the pod."""

import contextlib
import dataclasses
import datetime
import pathlib
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

from foundation import artifact_paths

_SECONDS_BETWEEN_COPIES = 60.0
_BYTES_BETWEEN_COPIES = 1 << 20  # no more is copied in that time, on average
_SECONDS_FOR_THE_LAST = 60.0


@dataclasses.dataclass(frozen=True)
class NodeLog:
    """A log file.

    Attributes:
        file: what is written to.
        place: where people find it: the same file, or its copy in an object store.
    """

    file: pathlib.Path
    place: artifact_paths.Path


@contextlib.contextmanager
def opened(root: artifact_paths.Path, run_id: str, name: str) -> Iterator[NodeLog]:
    """A log for one attempt, below the root of the artifacts.

    Nothing can be added to an object, so there the whole log is copied every minute
    while the block runs, and at its end; one of several MiB every so many minutes.

    Raises:
        OSError: the folder cannot be made.
    """
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    folder = root / "logs" / re.sub(r"[^A-Za-z0-9._-]+", "-", run_id)
    place = folder / f"{name}-{stamp}.log"
    if isinstance(place, pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        yield NodeLog(place, place)
        return
    with tempfile.TemporaryDirectory(prefix="m2f_log_") as here:
        log = NodeLog(pathlib.Path(here, place.name), place)
        copier = _Copier(log)
        copier.start()
        try:
            yield log
        finally:
            copier.end()


class _Copier:
    """Copies a log that grows."""

    def __init__(self, log: NodeLog):
        self._log = log
        self._copied = 0  # bytes
        self._fault = ""  # of the last copy
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Copies what has come since; a log that is lost must not fail the node.

        The thread does, and not for ever: TensorFlow tries for many minutes, in which
        this process would not see that it is told to stop.
        """
        self._ended.set()
        self._thread.join(_SECONDS_FOR_THE_LAST)
        fault = self._fault
        if self._thread.is_alive():
            fault = f"that took longer than {_SECONDS_FOR_THE_LAST:g} seconds"
        if fault:
            print(
                f"the log could not be copied to {self._log.place}: {fault}",
                file=sys.stderr,
            )

    def _run(self) -> None:
        while not self._ended.wait(self._pause()):
            self._copy()
        self._copy()

    def _pause(self) -> float:
        """Seconds to the next copy: all copies together must not grow as a square."""
        return _SECONDS_BETWEEN_COPIES * max(1.0, self._copied / _BYTES_BETWEEN_COPIES)

    def _copy(self) -> None:
        self._fault = ""
        try:
            content = self._log.file.read_bytes() if self._log.file.exists() else b""
            if len(content) > self._copied:
                self._log.place.write_bytes(content)
                self._copied = len(content)
        except OSError as error:  # tried again the next time, and at the end
            self._fault = error.strerror or str(error)
