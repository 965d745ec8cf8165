"""Times two processes in turns, repetition by repetition.

The machine is shared and slows down for seconds or minutes at a time; a side that was
measured alone in such a moment would look worse than it is.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

_READY = "ready"


def timed(
    work: Callable[[], None], repeats: int, in_turns: bool = False
) -> dict[str, float]:
    """Times `work`, which has ended when it returns.

    Args:
        in_turns: before each repetition say so and wait for a line, see `alternate`.

    Returns:
        Seconds of the first call, and the best and median of the repetitions after it.
    """
    first = _seconds(work)
    seconds = []
    for _ in range(repeats):
        if in_turns:
            print(_READY, flush=True)
            sys.stdin.readline()
        seconds.append(_seconds(work))
    return {
        "first": first,
        "best": min(seconds),
        "median": statistics.median(seconds),
    }


def alternate(commands: Sequence[Sequence[str]], **options) -> list[dict[str, float]]:
    """Runs processes that call `timed`, one repetition of one of them at a time.

    Args:
        commands: each prints a JSON object in the end and nothing else.
        options: for `subprocess.Popen`.

    Returns:
        Their JSON objects.

    Raises:
        RuntimeError: a process failed.
    """
    processes, lines = [], []
    try:
        for command in commands:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                **options,
            )
            processes.append(process)
            # The next one starts when this one waits for its turn.
            lines.append(_next_line(process))
        while any(line == _READY for line in lines):
            for index, process in enumerate(processes):
                if lines[index] == _READY:
                    process.stdin.write("\n")
                    process.stdin.flush()
                    lines[index] = _next_line(process)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [json.loads(line) for line in lines]


def _next_line(process: subprocess.Popen) -> str:
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"{process.args} ended with {process.wait()}")
    return line


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
