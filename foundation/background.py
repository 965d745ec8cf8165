"""Work in a thread of its own, so that the main thread answers signals meanwhile.

Python's signal handlers run in the main thread and between its bytecodes: while it
computes in compiled code, Ctrl-C has to wait for minutes.
"""

import contextvars
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_Result = TypeVar("_Result")
_begun: list[threading.Thread] = []


class Work(Generic[_Result]):
    """A function that runs in another thread from now on."""

    def __init__(self, function: Callable[[], _Result]):
        self._function = function
        self._results: list[_Result] = []
        self._error: BaseException | None = None
        self._done = threading.Event()
        run = contextvars.copy_context().run
        thread = threading.Thread(target=lambda: run(self._run), daemon=True)
        _begun.append(thread)
        thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, within this time at the latest."""
        return self._done.wait(seconds)

    def result(self) -> _Result:
        """What the function returned, once it has ended; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # whoever waits gets it
            self._error = error
        finally:
            self._done.set()


def is_left() -> bool:
    """Whether some work still runs that nobody waits for.

    A process then ends by `os._exit`: an ordinary end would take compiled code apart
    that is at work.
    """
    return any(thread.is_alive() for thread in _begun)
