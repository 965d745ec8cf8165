"""What the user sees: progress and a summary; everything else goes to a log file."""

import contextlib
import logging
import os
import pathlib
import sys
from collections.abc import Iterator

import rich.console
import rich.progress

from foundation import progress

_ESTIMATE_SECONDS = 1800.0


@contextlib.contextmanager
def quiet(log_file: pathlib.Path) -> Iterator[rich.console.Console]:
    """Sends everything written to stdout and stderr to `log_file` while it lasts.

    The redirection is made on file descriptors, so it also holds for the C++ parts of
    TensorFlow and for child processes. The terminal stays reachable through the
    console that is yielded.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved_out, saved_err = os.dup(1), os.dup(2)
    with log_file.open("ab", buffering=0) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    terminal = os.fdopen(os.dup(saved_out), "w", encoding="utf-8", buffering=1)
    console = rich.console.Console(file=terminal, highlight=False)
    try:
        yield console
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved_out, 1)
        os.dup2(saved_err, 2)
        os.close(saved_out)
        os.close(saved_err)
        terminal.close()


def prepare_libraries(log_file: pathlib.Path) -> None:
    """Sets what TensorFlow and TFX read when they are first imported.

    Call before either is imported. All log records go to `log_file`.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        filename=log_file,
        force=True,
    )


@contextlib.contextmanager
def foreground() -> Iterator[rich.console.Console]:
    """A quiet terminal for commands that have no workspace.

    TensorFlow's chatter is dropped: an error of ours still reaches the user.
    """
    nowhere = pathlib.Path(os.devnull)
    with quiet(nowhere) as terminal:
        prepare_libraries(nowhere)
        with bars(terminal):
            yield terminal


class BarReporter:
    """Draws `progress.track` bars with rich, and logs a line now and then."""

    def __init__(self, console: rich.console.Console):
        self._bars = rich.progress.Progress(
            rich.progress.SpinnerColumn(),
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(bar_width=24),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            # Half a minute, the usual time, holds no two steps of a large network.
            speed_estimate_period=_ESTIMATE_SECONDS,
        )
        self._open = 0
        self._console = console
        self._log = progress.LineReporter()

    def start(self, description: str, total: int | None, done: int = 0) -> "Bar":
        if not self._open:
            self._bars.start()
        self._open += 1
        task_id = self._bars.add_task(description, total=total, completed=done, note="")
        return Bar(self._bars, task_id, self._log.start(description, total, done))

    def finish(self, task: "Bar") -> None:
        self._log.finish(task.log)
        self._bars.remove_task(task.task_id)
        self._open -= 1
        if not self._open:
            self._bars.stop()

    def tell(self, line: str) -> None:
        self._console.print(f"  {line}", markup=False, soft_wrap=True)
        self._log.tell(line)


class Bar:
    """One bar of a `BarReporter`."""

    def __init__(
        self,
        bars: rich.progress.Progress,
        task_id: rich.progress.TaskID,
        log: progress.LineTask,
    ):
        self._bars = bars
        self.task_id = task_id
        self.log = log

    def advance(self, count: int = 1, note: str = "") -> None:
        self._bars.update(self.task_id, advance=count, note=note)
        self.log.advance(count, note)


@contextlib.contextmanager
def bars(console: rich.console.Console) -> Iterator[None]:
    """Shows progress on `console` while the block runs.

    In a pipe there are no bars; a line now and then goes there and to the log.
    """

    def say(line: str) -> None:
        console.print(f"  {line}", markup=False, soft_wrap=True)
        logging.info(line)

    in_lines = progress.LineReporter(say, tells_ends=False)
    progress.set_reporter(BarReporter(console) if console.is_terminal else in_lines)
    try:
        yield
    finally:
        progress.set_reporter(progress.LineReporter())


class NodeDisplay:
    """Shows which node is running, and a line for each that ended."""

    def __init__(self, console: rich.console.Console):
        self._console = console
        self._scope = contextlib.ExitStack()
        self.current = "compiling the graph"

    def __enter__(self) -> "NodeDisplay":
        return self

    def __exit__(self, *exception: object) -> None:
        self._scope.close()

    def started(self, node_id: str, position: int, total: int) -> None:
        """See `run_local.NodeObserver`."""
        self.current = node_id
        self._scope.enter_context(progress.track(f"{position}/{total} {node_id}"))

    def finished(self, node_id: str, state: str, seconds: float) -> None:
        """See `run_local.NodeObserver`."""
        self._scope.close()
        self._console.print(
            f"  {node_id:20} {state:9} {progress.duration(seconds):>12}"
        )
