"""Which attempt of a node holds its lease: it alone writes, and shows that it is alive.

Kubernetes replaces a pod whose machine does not answer, though its process may be at
work there still. So each attempt takes the node's lease, files beside the outputs, over
from the one before, and renews it by heartbeats. Whoever finds that another holds the
lease stops, and so does who cannot reach it any more. Clocks of two machines are never
compared.

An attempt whose last look at the lease is too old may have been frozen: it is held
until it has looked again. That is as safe as to end it, for it writes as little; and
when it still holds the lease, nobody has touched what it was writing: who takes over
puts another name there, and who rolls back removes this one first.
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
# Names of files: earlier versions may have left such.
_HOLDER = "at-work"
_HEARTBEAT = "attempt-"


@dataclasses.dataclass(frozen=True)
class LeaseTimes:
    """Times in seconds.

    Attributes:
        heartbeat: between two heartbeats, each with a look at who holds the lease.
        cut_off: an attempt that has not reached the lease for so long writes no more.
        patience: it then tries so much longer to reach it, and else gives up.
        stop: after this an attempt that was taken over, or sends no heartbeat, has
            stopped. More than `cut_off` and than the minute a network file system may
            show old content, with a heartbeat on top.
    """

    heartbeat: float = 10.0
    cut_off: float = 60.0
    patience: float = 30.0
    stop: float = 100.0


class Lease:
    """The lease of one node in one run: who holds it, and each attempt's heartbeats."""

    def __init__(self, node_folder: artifact_paths.Path, run_id: str):
        self._folder = node_folder / ".system" / "attempts"
        self._name = re.sub(r"[^A-Za-z0-9_-]+", "-", run_id)

    def holder(self) -> str:
        """The attempt that took over last.

        Raises:
            OSError: none did, or the lease cannot be reached.
        """
        return self._path(_HOLDER).read_text(encoding="utf-8")

    def take_over(self, attempt: str) -> None:
        self._write(_HOLDER, attempt)

    def renew(self, attempt: str, count: int) -> None:
        """Leaves an attempt's heartbeat of that number."""
        content = {"count": count, "process": _identity(os.getpid())}
        self._write(f"{_HEARTBEAT}{attempt}", json.dumps(content))

    def heartbeats(self) -> dict[str, int]:
        """Attempts that may be alive, and the number of the last heartbeat of each.

        Raises:
            OSError: the lease cannot be reached, so there may be more.
        """
        found = {}
        for path in self._found(_HEARTBEAT):
            with contextlib.suppress(FileNotFoundError):
                content = json.loads(path.read_text(encoding="utf-8"))
                if not _has_ended(content["process"]):
                    found[path.name.rpartition("-")[2]] = content["count"]
        return found

    def give_up(self, attempt: str) -> None:
        """Removes the heartbeat of an attempt that has stopped.

        The holder's name stays: between a look at it and its removal another may take
        over.
        """
        self._path(f"{_HEARTBEAT}{attempt}").unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes the lease of a node that nobody works on, with all heartbeats."""
        for path in self._found(""):
            path.unlink(missing_ok=True)

    def _found(self, kind: str) -> list[artifact_paths.Path]:
        """Files whose names begin so; not by `glob`: pathlib's passes errors over."""
        paths = self._folder.iterdir() if self._folder.is_dir() else ()
        return [path for path in paths if path.name.startswith(f"{self._name}.{kind}")]

    def _path(self, file: str) -> artifact_paths.Path:
        return self._folder / f"{self._name}.{file}"

    def _write(self, file: str, content: str) -> None:
        artifact_paths.write_whole(self._path(file), content.encode())


class Attempt:
    """One attempt, from `start` to `end`."""

    def __init__(self, lease: Lease, times: LeaseTimes | None = None):
        self._lease = lease
        self._times = times or LeaseTimes()
        self._name = uuid.uuid4().hex
        self._reached = time.monotonic()
        self._is_over = False
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._renew_lease, daemon=True)

    def start(self, waiting: Callable[[], None] = lambda: None) -> None:
        """Takes the node over and waits until all other attempts have stopped.

        Each looks for others after it has taken the lease. So of two that start
        together one at least sees the other and waits, and one of them is replaced.

        Args:
            waiting: called before a wait.

        Raises:
            PipelineError: a later attempt took over in the meantime.
            OSError: the lease cannot be reached.
        """
        self._reached = time.monotonic()
        self._lease.renew(self._name, 0)
        self._lease.take_over(self._name)
        self._heart.start()
        others = self._lease.heartbeats().keys() - {self._name}
        if others:
            waiting()
            time.sleep(self._times.stop)
        if not self.settled():
            raise errors.PipelineError(
                "another attempt has taken this node over, or the place of the "
                "artifacts could not be reached for a minute."
            )
        for attempt in others:
            self._give_up(attempt)

    def may_go_on(self) -> bool:
        """Whether it may write just now; never waits for the file system."""
        silent = time.monotonic() - self._reached
        return not self._is_over and silent < self._times.cut_off

    def settled(self, hold: Callable[[], None] = lambda: None) -> bool:
        """Whether it may still write, once it has looked again where that is overdue.

        Args:
            hold: called now and then while that is not known.
        """
        since = time.monotonic()
        while not self.may_go_on():
            if self._is_over or time.monotonic() - since > self._times.patience:
                self._is_over = True  # for good: it is being ended
                return False
            hold()
            time.sleep(_MOMENT)
        return True

    def end(self) -> None:
        """Says that it has stopped."""
        self._ended.set()
        self._heart.join(self._times.cut_off)  # or its last heartbeat came after this
        self._give_up(self._name)

    def _give_up(self, attempt: str) -> None:
        """Removes a heartbeat; one that stays costs a later attempt a wait, no more."""
        try:
            self._lease.give_up(attempt)
        except OSError as error:
            print(
                f"the heartbeat of an attempt could not be removed: {error}",
                file=sys.stderr,
            )

    def _renew_lease(self) -> None:
        count = 0
        while not self._ended.wait(self._times.heartbeat) and not self._is_over:
            # From here on what it sees may be old: the process can be frozen anywhere.
            asked = time.monotonic()
            with contextlib.suppress(OSError):
                if not self._holds_lease():
                    self._is_over = True
                    return
                count += 1
                self._lease.renew(self._name, count)
                self._reached = asked

    def _holds_lease(self) -> bool:
        try:
            return self._lease.holder() == self._name
        except FileNotFoundError:
            return False  # it was taken for abandoned


def abandoned(leases: Sequence[Lease], times: LeaseTimes | None = None) -> list[bool]:
    """Which of these nodes nobody works on.

    Waits for the next heartbeat when an attempt of one has left any.

    Raises:
        OSError: a lease cannot be reached, so nothing is known.
    """
    before = [lease.heartbeats() for lease in leases]
    if any(before):
        time.sleep((times or LeaseTimes()).stop)
    after = [lease.heartbeats() for lease in leases]
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
