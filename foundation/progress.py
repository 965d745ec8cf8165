"""How long-running code tells the user how far it is, without knowing the terminal.

Components and the trainer call `track` and `tell`; the command line installs a reporter
that draws bars, or prints lines where there is no terminal, and a run in a container
keeps the default, which logs a line now and then.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

_LINE_SECONDS = 30.0


class Task(Protocol):
    """One bar."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Moves on by `count` units; `note` is a short text such as `loss 1.23`."""


_Task = TypeVar("_Task", bound=Task)


class Reporter(Protocol[_Task]):
    """Whoever shows the bars."""

    def start(self, description: str, total: int | None, done: int = 0) -> _Task:
        """Opens a bar of `total` units, or of an unknown number."""
        ...

    def finish(self, task: _Task) -> None:
        """Closes a bar."""
        ...

    def tell(self, line: str) -> None:
        """Shows what the user should know now, above the bars."""


class LineTask:
    """A bar as a line of text.

    Attributes:
        done: units, those before it was opened included.
    """

    def __init__(self, description: str, total: int | None, done: int = 0):
        self.description = description
        self.done = done
        self._total = total
        self._note = ""
        self._begun = time.monotonic()
        self._measured: tuple[float, int] | None = None

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done += count
        self._note = note or self._note
        # The first unit takes longer than others: functions are traced, files opened.
        self._measured = self._measured or (time.monotonic(), self.done)

    def line(self) -> str:
        """How far it is, what was noted last, and how long the rest will take."""
        if not self.done and self._total is None:
            return f"{self.description}: {duration(self._passed())}"
        share = f" ({100 * self.done // self._total} %)" if self._total else ""
        rest = self.seconds_left()
        left = "" if rest is None else f"{duration(rest)} left"
        parts = [f"{self.done}/{self._total or '?'}{share}", self._note, left]
        return f"{self.description}: " + "  ".join(part for part in parts if part)

    def seconds_left(self) -> float | None:
        """None as long as it cannot be told."""
        if self._total is None or self._measured is None:
            return None
        since, done_then = self._measured
        if self.done <= done_then:
            return None
        a_unit = (time.monotonic() - since) / (self.done - done_then)
        return max(0, self._total - self.done) * a_unit

    def _passed(self) -> float:
        return time.monotonic() - self._begun


class LineReporter:
    """Says a line every half minute, also while a single unit takes longer.

    Args:
        say: takes a line; the log does unless told otherwise.
        tells_ends: whether the end of a bar is a line as well.
    """

    def __init__(
        self, say: Callable[[str], None] = logging.info, tells_ends: bool = True
    ):
        self._say = say
        self._tells_ends = tells_ends
        self._open: list[LineTask] = []
        self._stop = threading.Event()

    def start(self, description: str, total: int | None, done: int = 0) -> LineTask:
        task = LineTask(description, total, done)
        self._open.append(task)
        if len(self._open) == 1:
            self._stop = threading.Event()
            ticking = threading.Thread(
                target=self._tick, args=(self._stop,), name="progress", daemon=True
            )
            ticking.start()
        return task

    def finish(self, task: LineTask) -> None:
        self._open.remove(task)
        if not self._open:
            self._stop.set()
        if self._tells_ends:
            self._say(f"{task.description}: {task.done} done")

    def tell(self, line: str) -> None:
        self._say(line)

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(_LINE_SECONDS):
            with contextlib.suppress(IndexError):  # the last one may end meanwhile
                self._say(self._open[-1].line())


_reporter: Reporter = LineReporter()


def set_reporter(reporter: Reporter) -> None:
    """Makes `reporter` show the bars of this process from now on."""
    global _reporter
    _reporter = reporter


@contextlib.contextmanager
def track(description: str, total: int | None = None, done: int = 0) -> Iterator[Task]:
    """Shows a bar while the block runs; call `advance` on what it yields.

    Args:
        total: units there are; None if unknown.
        done: units that were done before.
    """
    reporter = _reporter
    task = reporter.start(description, total, done)
    try:
        yield task
    finally:
        reporter.finish(task)


def tell(line: str) -> None:
    """Tells the user one line: what is gone on from, what to expect, what to change."""
    _reporter.tell(line)


def duration(seconds: float) -> str:
    """A length of time for people: `4 min 07 s`, `3.2 s`."""
    if seconds < 59.95:  # what would be shown as 60.0 s is a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
