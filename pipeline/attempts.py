"""Which attempt of a node is at work: it alone writes, and shows that it is alive.

Kubernetes replaces a pod whose machine does not answer, though its process may be at
work there still. So each attempt leaves a mark beside the outputs and takes the node
over from the one before. Whoever finds that another has taken over stops, and so does
who cannot reach the marks any more. Clocks of two machines are never compared.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import threading
import time
import uuid
from collections.abc import Sequence

from pipeline import artifact_paths, errors


@dataclasses.dataclass(frozen=True)
class Pace:
    """Times in seconds.

    Attributes:
        beat: between two signs of life, each with a look at who is at work.
        cut_off: an attempt that has not reached the marks for so long stops.
        stop: after this an attempt that was taken over, or shows no sign of life, has
            stopped. More than `cut_off` and than the minute a network file system may
            show old content, with a beat on top.
    """

    beat: float = 10.0
    cut_off: float = 60.0
    stop: float = 100.0


class Marks:
    """The marks of one node in one run: who is at work, and every attempt's beats."""

    def __init__(self, node_folder: artifact_paths.Path, run_id: str):
        self._folder = node_folder / ".system" / "attempts"
        self._name = re.sub(r"[^A-Za-z0-9_-]+", "-", run_id)

    def at_work(self) -> str:
        """The attempt that took over last.

        Raises:
            OSError: none did, or the marks cannot be reached.
        """
        return self._path("at-work").read_text(encoding="utf-8")

    def take_over(self, attempt: str) -> None:
        self._write("at-work", attempt)

    def beat(self, attempt: str, count: int) -> None:
        content = {"count": count, "process": _identity(os.getpid())}
        self._write(f"attempt-{attempt}", json.dumps(content))

    def beats(self) -> dict[str, int]:
        """Attempts that may be alive and how often each has shown it."""
        found = {}
        for path in self._folder.glob(f"{self._name}.attempt-*"):
            with contextlib.suppress(FileNotFoundError):
                content = json.loads(path.read_text(encoding="utf-8"))
                if not _has_ended(content["process"]):
                    found[path.name.rpartition("-")[2]] = content["count"]
        return found

    def remove(self, attempt: str) -> None:
        """Removes the mark of an attempt that has stopped."""
        self._path(f"attempt-{attempt}").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if self.at_work() == attempt:
                self._path("at-work").unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Removes the marks of a node that nobody works on."""
        for path in self._folder.glob(f"{self._name}.*"):
            path.unlink(missing_ok=True)

    def _path(self, mark: str) -> artifact_paths.Path:
        return self._folder / f"{self._name}.{mark}"

    def _write(self, mark: str, content: str) -> None:
        artifact_paths.write_whole(self._path(mark), content.encode())


class Attempt:
    """One attempt, from `start` to `end`."""

    def __init__(self, marks: Marks, pace: Pace | None = None):
        self._marks = marks
        self._pace = pace or Pace()
        self._name = uuid.uuid4().hex
        self._reached = time.monotonic()
        self._was_replaced = False
        self._ended = threading.Event()
        self._life = threading.Thread(target=self._show_life, daemon=True)

    def start(self) -> None:
        """Takes the node over and waits until earlier attempts have stopped.

        Raises:
            PipelineError: a later attempt took over in the meantime.
        """
        earlier = self._marks.beats()
        self._marks.beat(self._name, 0)
        self._marks.take_over(self._name)
        self._reached = time.monotonic()
        self._life.start()
        if earlier:
            time.sleep(self._pace.stop)
        if not self.may_go_on():
            raise errors.PipelineError("another attempt has taken this node over.")
        for attempt in earlier:
            self._marks.remove(attempt)

    def may_go_on(self) -> bool:
        """Whether it may still write; never waits for the file system."""
        silent = time.monotonic() - self._reached
        return not self._was_replaced and silent < self._pace.cut_off

    def end(self) -> None:
        """Says that it has stopped."""
        self._ended.set()
        self._life.join(self._pace.cut_off)  # or its last sign would come after this
        self._marks.remove(self._name)

    def _show_life(self) -> None:
        count = 0
        while not self._ended.wait(self._pace.beat):
            with contextlib.suppress(OSError):
                if self._marks.at_work() != self._name:
                    self._was_replaced = True
                    return
                count += 1
                self._marks.beat(self._name, count)
                self._reached = time.monotonic()


def abandoned(all_marks: Sequence[Marks], pace: Pace | None = None) -> list[bool]:
    """Which of these nodes nobody works on.

    Waits for a sign of life when an attempt of one has left a mark.
    """
    before = [marks.beats() for marks in all_marks]
    if any(before):
        time.sleep((pace or Pace()).stop)
    after = [marks.beats() for marks in all_marks]
    return [
        all(earlier.get(attempt) == count for attempt, count in later.items())
        for earlier, later in zip(before, after, strict=True)
    ]


def _identity(pid: int) -> list[str]:
    """Machine since its start, space of process ids, process, and when it began."""
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return [
        boot,
        str(pathlib.Path("/proc/self/ns/pid").readlink()),
        str(pid),
        _began(pid),
    ]


def _began(pid: int) -> str:
    """Clock tick at which a process began; empty when there is no such process."""
    with contextlib.suppress(OSError):
        # The name, which may hold anything, stands in brackets; field 22 is the start.
        after_name = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        state, *fields = after_name.split()
        return "" if state == "Z" else fields[18]
    return ""


def _has_ended(identity: list[str]) -> bool:
    """Whether a process is known to be gone; one of another machine never is."""
    machine, pid = identity[:2], int(identity[2])
    return machine == _identity(pid)[:2] and identity[3] != _began(pid)
