import os
import signal
import subprocess
import sys
import time

import pytest

from pipeline.cluster import supervisor

SUPERVISE = (
    "import sys\n"
    "from pipeline.cluster import supervisor\n"
    "with supervisor.Supervisor() as watching:\n"
    "    ending = watching.run([sys.executable, '-c', sys.argv[1]])\n"
    "print(ending.code, ending.stopped_by, ending.was_cut_off, flush=True)\n"
)
# A node's process with a worker of its own; both pids go to the file `pids`.
BUSY = (
    "import os, subprocess, sys, time\n"
    "from pipeline.cluster import supervisor\n"
    "supervisor.die_with_parent()\n"
    "sleep = 'import time; time.sleep(300)'\n"
    "worker = subprocess.Popen([sys.executable, '-c', sleep])\n"
    "with open('pids.partial', 'w') as file:\n"
    "    file.write(f'{os.getpid()} {worker.pid}')\n"
    "os.rename('pids.partial', 'pids')\n"
    "time.sleep(300)\n"
)


def supervise(program, folder, supervising=SUPERVISE):
    return subprocess.Popen(
        [sys.executable, "-c", supervising, program],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def pids(folder):
    wait_until((folder / "pids").exists)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_exit_code_is_the_processs(tmp_path, code):
    output, _ = supervise(f"raise SystemExit({code})", tmp_path).communicate(timeout=60)
    assert output.split() == [str(code), "None", "False"]


def test_a_crash_is_a_cut_off(tmp_path):
    crash = "import os; os.kill(os.getpid(), 11)"
    output, _ = supervise(crash, tmp_path).communicate(timeout=60)
    assert output.split() == ["-11", "None", "True"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_the_process_and_its_workers(tmp_path, number):
    watching = supervise(BUSY, tmp_path)
    started = pids(tmp_path)
    assert all(is_alive(pid) for pid in started)
    watching.send_signal(number)
    output, _ = watching.communicate(timeout=60)
    assert output.split() == ["-15", str(int(number)), "True"]
    wait_until(lambda: not any(is_alive(pid) for pid in started))


SAVING = (
    "import os, pathlib, signal, sys, time\n"
    "def save(*_):\n"
    "    pathlib.Path('saved').touch()\n"
    "    sys.exit(3)\n"
    "signal.signal(signal.SIGTERM, {handler})\n"
    "pathlib.Path('pids').write_text(str(os.getpid()))\n"
    "time.sleep(300)\n"
)


def test_told_to_stop_the_process_may_save_something(tmp_path):
    watching = supervise(SAVING.format(handler="save"), tmp_path)
    wait_until((tmp_path / "pids").exists)
    watching.send_signal(signal.SIGTERM)
    output, _ = watching.communicate(timeout=60)
    assert output.split() == ["3", "15", "True"]
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize(("seconds", "signals"), [(0.5, 1), (300, 2)])
def test_it_is_killed_when_it_takes_too_long_or_at_a_second_signal(
    tmp_path, seconds, signals
):
    short = SUPERVISE.replace("with", f"supervisor._SECONDS_TO_SAVE = {seconds}\nwith")
    watching = supervise(SAVING.format(handler="signal.SIG_IGN"), tmp_path, short)
    wait_until((tmp_path / "pids").exists)
    for _ in range(signals):
        watching.send_signal(signal.SIGTERM)
        time.sleep(0.3)
    output, _ = watching.communicate(timeout=60)
    assert output.split() == ["-9", "15", "True"]


def test_when_it_may_not_go_on_the_process_and_its_workers_end(tmp_path):
    program = (
        "import pathlib, sys\n"
        "from pipeline.cluster import supervisor\n"
        "class Permission:\n"
        "    def may_go_on(self):\n"
        "        return not pathlib.Path('stop').exists()\n"
        "    def settled(self, hold):\n"
        "        return False\n"
        "with supervisor.Supervisor() as watching:\n"
        "    ending = watching.run([sys.executable, '-c', sys.argv[1]], Permission())\n"
        "print(ending.code, ending.stopped_by, ending.was_cut_off)\n"
    )
    watching = supervise(BUSY, tmp_path, program)
    started = pids(tmp_path)
    (tmp_path / "stop").touch()
    output, _ = watching.communicate(timeout=60)
    assert output.split() == ["-9", "None", "True"]
    wait_until(lambda: not any(is_alive(pid) for pid in started))


def test_when_it_is_killed_the_process_and_its_workers_end_too(tmp_path):
    watching = supervise(BUSY, tmp_path)
    started = pids(tmp_path)
    watching.kill()
    watching.wait(timeout=60)
    wait_until(lambda: not any(is_alive(pid) for pid in started))


def test_workers_left_behind_by_a_process_that_ended_are_ended(tmp_path):
    leave = BUSY.removesuffix("time.sleep(300)\n")
    watching = supervise(leave, tmp_path)
    output, _ = watching.communicate(timeout=60)
    assert output.split() == ["0", "None", "False"]
    _, worker = pids(tmp_path)
    wait_until(lambda: not is_alive(worker))


def test_a_process_is_held_while_its_permission_is_in_doubt(tmp_path, monkeypatch):
    class Doubt:
        def may_go_on(self):
            return len(held) > 0

        def settled(self, hold):
            hold()
            time.sleep(0.1)  # what was under way
            for _ in range(20):
                held.append(count.read_text())
                hold()
                time.sleep(0.02)
            return True

    monkeypatch.setattr(supervisor, "_SECONDS_BETWEEN_LOOKS", 1.0)
    count, held = tmp_path / "count", []
    program = (
        "import sys, time\n"
        "for number in range(100):\n"
        "    with open(sys.argv[1], 'a') as file:\n"
        "        file.write('.')\n"
        "    time.sleep(0.02)\n"
    )
    with supervisor.Supervisor() as watching:
        command = [sys.executable, "-c", program, str(count)]
        assert watching.run(command, Doubt()).code == 0
    assert held == [held[0]] * 20
    assert 0 < len(held[0]) < 100
    assert count.read_text() == "." * 100


def test_a_stop_before_the_process_is_there_is_not_lost():
    with supervisor.Supervisor() as watching:
        os.kill(os.getpid(), signal.SIGTERM)
        ending = watching.run([sys.executable, "-c", "import time; time.sleep(300)"])
    assert ending == supervisor.Ending(-signal.SIGKILL, signal.SIGTERM)


def test_a_stop_while_it_clears_up_is_not_the_end_of_it():
    before = signal.getsignal(signal.SIGTERM)
    with supervisor.Supervisor() as watching:
        assert watching.run([sys.executable, "-c", ""]).code == 0
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_when_all_is_cleared_up_it_ends(tmp_path, number):
    watching = supervise("", tmp_path, f"{SUPERVISE}import time; time.sleep(300)\n")
    assert watching.stdout.readline().split() == ["0", "None", "False"]
    watching.send_signal(number)
    assert watching.wait(timeout=60) == -number
