"""Runs the process of one node and clears up after it, however it ends.

A node's process can hang in compiled code, run out of memory or be told to stop, and
can do nothing about it then. So a small process starts it, waits, and rolls
back: an execution that was cut off is recorded as failed and what it half wrote is
removed.
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
from typing import Protocol, Self

_STDIN = 0
_SECONDS_BETWEEN_LOOKS = 2.0
# A training saves its last step then; Kubernetes kills all of the pod after 30.
_SECONDS_TO_SAVE = 20.0


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


class Permission(Protocol):
    """Tells whether a process may write."""

    def may_go_on(self) -> bool:
        """Whether it may just now; answers at once."""
        ...

    def settled(self, hold: Callable[[], None]) -> bool:
        """Whether it may still, once that is known; calls `hold` until then."""
        ...


class Supervisor:
    """Watches one process.

    Within its block the main thread's SIGTERM and SIGINT are its own: they end the
    process, but not the clearing up after it.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped_by: signal.Signals | None = None
        self._restored = contextlib.ExitStack()

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.signal(number, self._stop)
            self._restored.callback(signal.signal, number, before)
        return self

    def __exit__(self, *_: object) -> None:
        self._restored.close()

    def run(
        self, command: Sequence[str], permission: Permission | None = None
    ) -> Ending:
        """Runs a command to its end, or kills it when it has to stop.

        It has to at SIGTERM, at SIGINT, and when it no longer has permission to write.
        At the first signal it may save something, at the second it is killed.
        """
        child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self._child = child
        if self._stopped_by:  # while the process was being made
            self._send(signal.SIGKILL)
        ended = threading.Event()
        if permission is not None:
            threading.Thread(
                target=self._watch, args=(permission, ended), daemon=True
            ).start()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        ended.set()
        self._send(signal.SIGKILL)  # workers it may have left
        self._child = None  # once it is waited for, its number may become another's
        return Ending(child.wait(), self._stopped_by)

    def _watch(self, permission: Permission, ended: threading.Event) -> None:
        """Holds the process while its permission is in doubt, and kills it without.

        It is stopped again and again: whoever thaws frozen processes one by one may
        come to it later than to this one. Should this one be killed meanwhile, the
        other writes nothing more, and ends with the pod.
        """
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            if not permission.may_go_on():
                goes_on = permission.settled(lambda: self._send(signal.SIGSTOP))
                self._send(signal.SIGCONT if goes_on else signal.SIGKILL)

    def _stop(self, number: int, frame: object) -> None:
        is_first = self._stopped_by is None
        self._stopped_by = signal.Signals(number)
        child = self._child
        if child is None or not is_first:
            self._send(signal.SIGKILL)
            return
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        last = threading.Timer(_SECONDS_TO_SAVE, self._send, [signal.SIGKILL])
        last.daemon = True
        last.start()

    def _send(self, number: signal.Signals) -> None:
        """Signals the process and those it started."""
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)


def die_with_parent() -> None:
    """Ends this process and those it started when its supervisor is gone."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    while os.read(_STDIN, 1):
        pass
    logging.error("the supervising process is gone")
    os.killpg(os.getpgrp(), signal.SIGKILL)
