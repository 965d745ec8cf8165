"""How long-running code tells the user how far it is, without knowing the terminal.

Components and the trainer call `track`; the command line installs a reporter that
draws bars, and a run in a container keeps the default, which logs a line now and then.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

_LOG_SECONDS = 30.0


class Task(Protocol):
    """One bar."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Moves on by `count` units; `note` is a short text such as `loss 1.23`."""


_Task = TypeVar("_Task", bound=Task)


class Reporter(Protocol[_Task]):
    """Whoever shows the bars."""

    def start(self, description: str, total: int | None) -> _Task:
        """Opens a bar of `total` units, or of an unknown number."""
        ...

    def finish(self, task: _Task) -> None:
        """Closes a bar."""


class LogTask:
    """A bar for logs: one line at most every half minute."""

    def __init__(
        self,
        description: str,
        total: int | None,
        say: Callable[[str], None] = logging.info,
    ):
        self.description = description
        self.total = total
        self.done = 0
        self._say = say
        self._last = time.monotonic()

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done += count
        if time.monotonic() - self._last >= _LOG_SECONDS:
            self._last = time.monotonic()
            total = self.total or "?"
            self._say(f"{self.description}: {self.done}/{total} {note}".rstrip())


class LogReporter:
    """Writes progress to the log, or to whoever `say` tells."""

    def __init__(self, say: Callable[[str], None] = logging.info):
        self._say = say

    def start(self, description: str, total: int | None) -> LogTask:
        return LogTask(description, total, self._say)

    def finish(self, task: LogTask) -> None:
        self._say(f"{task.description}: {task.done} done")


_reporter: Reporter = LogReporter()


def set_reporter(reporter: Reporter) -> None:
    """Makes `reporter` show the bars of this process from now on."""
    global _reporter
    _reporter = reporter


@contextlib.contextmanager
def track(description: str, total: int | None = None) -> Iterator[Task]:
    """Shows a bar while the block runs; call `advance` on what it yields."""
    reporter = _reporter
    task = reporter.start(description, total)
    try:
        yield task
    finally:
        reporter.finish(task)
