"""Which attempt of a node is at work: it alone writes, and shows that it is alive.

Kubernetes replaces a pod whose machine does not answer, though its process may be at
work there still. So each attempt leaves a mark beside the outputs and takes the node
over from the one before. Whoever finds that another has taken over stops, and so does
who cannot reach the marks any more. Clocks of two machines are never compared.

An attempt whose last look at the marks is too old may have been frozen: it is held
until it has looked again. That is as safe as to end it, for it writes as little; and
when its own name is still there, nobody has touched what it was writing: who takes over
leaves another name, and who clears up removes this one first.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence

from foundation import artifact_paths, errors

_MOMENT = 0.05  # seconds


@dataclasses.dataclass(frozen=True)
class Pace:
    """Times in seconds.

    Attributes:
        beat: between two signs of life, each with a look at who is at work.
        cut_off: an attempt that has not reached the marks for so long writes no more.
        patience: it then tries so much longer to reach them, and else gives up.
        stop: after this an attempt that was taken over, or shows no sign of life, has
            stopped. More than `cut_off` and than the minute a network file system may
            show old content, with a beat on top.
    """

    beat: float = 10.0
    cut_off: float = 60.0
    patience: float = 30.0
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
        """Attempts that may be alive and how often each has shown it.

        Raises:
            OSError: the marks cannot be reached, so there may be more.
        """
        found = {}
        for path in self._found("attempt-"):
            with contextlib.suppress(FileNotFoundError):
                content = json.loads(path.read_text(encoding="utf-8"))
                if not _has_ended(content["process"]):
                    found[path.name.rpartition("-")[2]] = content["count"]
        return found

    def remove(self, attempt: str) -> None:
        """Removes the mark of an attempt that has stopped.

        `at-work` stays: between a look at it and its removal another may take over.
        """
        self._path(f"attempt-{attempt}").unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Removes the marks of a node that nobody works on."""
        for path in self._found(""):
            path.unlink(missing_ok=True)

    def _found(self, kind: str) -> list[artifact_paths.Path]:
        """Marks whose names begin so; not by `glob`: pathlib's passes errors over."""
        paths = self._folder.iterdir() if self._folder.is_dir() else ()
        return [path for path in paths if path.name.startswith(f"{self._name}.{kind}")]

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
        self._is_over = False
        self._ended = threading.Event()
        self._life = threading.Thread(target=self._show_life, daemon=True)

    def start(self, waiting: Callable[[], None] = lambda: None) -> None:
        """Takes the node over and waits until all other attempts have stopped.

        Each looks for others after it has left its own marks. So of two that start
        together one at least sees the other and waits, and one of them is replaced.

        Args:
            waiting: called before a wait.

        Raises:
            PipelineError: a later attempt took over in the meantime.
            OSError: the marks cannot be reached.
        """
        self._reached = time.monotonic()
        self._marks.beat(self._name, 0)
        self._marks.take_over(self._name)
        self._life.start()
        others = self._marks.beats().keys() - {self._name}
        if others:
            waiting()
            time.sleep(self._pace.stop)
        if not self.settled():
            raise errors.PipelineError(
                "another attempt has taken this node over, or the place of the "
                "artifacts could not be reached for a minute."
            )
        for attempt in others:
            self._remove(attempt)

    def may_go_on(self) -> bool:
        """Whether it may write just now; never waits for the file system."""
        silent = time.monotonic() - self._reached
        return not self._is_over and silent < self._pace.cut_off

    def settled(self, hold: Callable[[], None] = lambda: None) -> bool:
        """Whether it may still write, once it has looked again where that is overdue.

        Args:
            hold: called now and then while that is not known.
        """
        since = time.monotonic()
        while not self.may_go_on():
            if self._is_over or time.monotonic() - since > self._pace.patience:
                self._is_over = True  # for good: it is being ended
                return False
            hold()
            time.sleep(_MOMENT)
        return True

    def end(self) -> None:
        """Says that it has stopped."""
        self._ended.set()
        self._life.join(self._pace.cut_off)  # or its last sign would come after this
        self._remove(self._name)

    def _remove(self, attempt: str) -> None:
        """Removes a mark; one that stays costs a later attempt a wait, no more."""
        try:
            self._marks.remove(attempt)
        except OSError as error:
            print(
                f"the mark of an attempt could not be removed: {error}", file=sys.stderr
            )

    def _show_life(self) -> None:
        count = 0
        while not self._ended.wait(self._pace.beat) and not self._is_over:
            # From here on what it sees may be old: the process can be frozen anywhere.
            asked = time.monotonic()
            with contextlib.suppress(OSError):
                if not self._is_at_work():
                    self._is_over = True
                    return
                count += 1
                self._marks.beat(self._name, count)
                self._reached = asked

    def _is_at_work(self) -> bool:
        try:
            return self._marks.at_work() == self._name
        except FileNotFoundError:
            return False  # it was taken for abandoned


def abandoned(all_marks: Sequence[Marks], pace: Pace | None = None) -> list[bool]:
    """Which of these nodes nobody works on.

    Waits for a sign of life when an attempt of one has left a mark.

    Raises:
        OSError: the marks cannot be reached, so nothing is known.
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
