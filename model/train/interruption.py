"""Answers SIGTERM and Ctrl-C while TensorFlow computes."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from foundation import background, errors, progress

_LOOK_SECONDS = 0.2
_END_SECONDS = 5.0  # that a step may take to end before the process goes without it
_Result = TypeVar("_Result", covariant=True)


class Interruptible(Protocol[_Result]):
    """Work that can be stopped."""

    def run(self) -> _Result:
        """Does the work; called in a thread of its own."""
        ...

    def stop(self) -> str:
        """Saves what is done while `run` may be amid something, which is given up.

        Returns:
            What was saved, for people.
        """
        ...


def run(work: Interruptible[_Result]) -> _Result:
    """Does the work, and stops it when this process is told to stop.

    A second Ctrl-C does not wait for the saving.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        Interrupted: after SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        return work.run()  # signals are others' here
    with _noted() as signals:
        running = background.Work(work.run)
        while not running.wait(_LOOK_SECONDS):
            if not signals:
                continue
            progress.tell(f"{signals[0].name}: stopping, and saving what was trained")
            saved = work.stop()
            progress.tell(saved)
            running.wait(_END_SECONDS)
            if signals[0] == signal.SIGINT:
                raise KeyboardInterrupt
            raise errors.Interrupted(
                f"told to stop by {signals[0].name}. {saved}; run the same command "
                "again, and it goes on from there."
            )
        return running.result()


@contextlib.contextmanager
def _noted() -> Iterator[list[signal.Signals]]:
    """The signals that have come since the block began."""
    came: list[signal.Signals] = []

    def note(number: int, _: object) -> None:
        came.append(signal.Signals(number))
        if len(came) > 1 and number == signal.SIGINT:
            raise KeyboardInterrupt

    with contextlib.ExitStack() as restored:
        for number in (signal.SIGTERM, signal.SIGINT):
            before: Callable | int | None = signal.signal(number, note)
            restored.callback(signal.signal, number, before)
        yield came
