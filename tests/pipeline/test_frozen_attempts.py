"""Attempts whose processes are frozen for longer than the cut-off."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from pipeline.nodes import attempts

# Arguments: the node's folder, and a file that the node's process writes lines to.
FROZEN = (
    "import pathlib, sys\n"
    "from pipeline.cluster import supervisor\n"
    "from pipeline.nodes import attempts\n"
    "supervisor._SECONDS_BETWEEN_LOOKS = 0.1\n"
    "times = attempts.LeaseTimes(heartbeat=0.05, cut_off=1.0, patience=20.0)\n"
    "lease = attempts.Lease(pathlib.Path(sys.argv[1]), '1')\n"
    "attempt = attempts.Attempt(lease, times)\n"
    "attempt.start()\n"
    "work = (\n"
    "    'import sys, time\\n'\n"
    "    'for number in range(200):\\n'\n"
    "    '    print(number, file=open(sys.argv[1], \"a\"), flush=True)\\n'\n"
    "    '    time.sleep(0.02)\\n'\n"
    ")\n"
    "with supervisor.Supervisor() as watching:\n"
    "    command = [sys.executable, '-c', work, sys.argv[2]]\n"
    "    ending = watching.run(command, attempt)\n"
    "print(ending.code, attempt.settled())\n"
)


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


@pytest.fixture
def frozen(tmp_path):
    """An attempt that is frozen for longer than the cut-off; thawed by its function."""
    node, count = tmp_path / "Frozen", tmp_path / "count"
    running = subprocess.Popen(
        [sys.executable, "-c", FROZEN, str(node), str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: count.is_file() and count.read_text().count("\n") > 5)
    task = pathlib.Path(f"/proc/{running.pid}/task/{running.pid}/children")
    pids = [running.pid, *map(int, task.read_text().split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    def thaw():
        os.kill(running.pid, signal.SIGCONT)
        for pid in pids[1:]:
            # Whoever goes on first may have ended it by now.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        output, _ = running.communicate(timeout=60)
        return output.split()

    time.sleep(3.0)
    yield attempts.Lease(node, "1"), count, thaw
    running.kill()
    running.wait()


def test_an_attempt_that_was_frozen_goes_on_where_nobody_has_taken_over(frozen):
    _, count, thaw = frozen
    assert thaw() == ["0", "True"]
    assert count.read_text().split() == [str(number) for number in range(200)]


@pytest.mark.parametrize("how", ["taken over", "cleared away"])
def test_an_attempt_that_was_frozen_stops_where_it_was_replaced(frozen, how):
    lease, count, thaw = frozen
    if how == "taken over":
        lease.take_over("another")
    else:
        lease.remove()
    lines = count.read_text().count("\n")
    assert thaw() == ["-9", "False"]
    assert count.read_text().count("\n") - lines < 100  # of some 150 to come
