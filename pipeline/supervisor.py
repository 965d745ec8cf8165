"""Runs the process of one node and clears up after it, however it ends.

A node's process can hang in compiled code, run out of memory or be told to stop, and
can do nothing about it then. So a small process starts it, waits, and mends: an
execution that was cut off is recorded as failed and what it half wrote is removed.
The two live and die together: the node's process ends when its pipe from this one does.
"""

import contextlib
import dataclasses
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence

_STDIN = 0
_SECONDS_BETWEEN_LOOKS = 2.0


@dataclasses.dataclass(frozen=True)
class Ending:
    """How the process ended.

    Attributes:
        code: its exit code, or minus the signal it died of.
        stopped_by: the signal this process was sent, if it was sent one.
    """

    code: int
    stopped_by: signal.Signals | None

    @property
    def was_cut_off(self) -> bool:
        """It had no chance to clear up itself."""
        return self.stopped_by is not None or self.code < 0


class Supervisor:
    """Watches one process; the main thread's signals are its from then on."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped_by: signal.Signals | None = None

    def run(
        self, command: Sequence[str], may_go_on: Callable[[], bool] = lambda: True
    ) -> Ending:
        """Runs a command to its end, or kills it when it has to stop.

        It has to at SIGTERM, at SIGINT, and when `may_go_on` is no longer true.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, start_new_session=True
        )
        if self._stopped_by:  # while the process was being made
            self._kill()
        ended = threading.Event()
        threading.Thread(
            target=self._watch, args=(may_go_on, ended), daemon=True
        ).start()
        code = self._child.wait()
        ended.set()
        self._kill()  # workers it may have left
        return Ending(code, self._stopped_by)

    def _watch(self, may_go_on: Callable[[], bool], ended: threading.Event) -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            if not may_go_on():
                self._kill()

    def _stop(self, number: int, frame: object) -> None:
        self._stopped_by = signal.Signals(number)
        self._kill()

    def _kill(self) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)


def die_with_parent() -> None:
    """Ends this process and those it started when its supervisor is gone."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    while os.read(_STDIN, 1):
        pass
    logging.error("the supervising process is gone")
    os.killpg(os.getpgrp(), signal.SIGKILL)
