import itertools
import json
import subprocess
import sys
import threading
import time

import pytest

from foundation import artifact_paths, errors
from pipeline.nodes import attempts

QUICK = attempts.LeaseTimes(heartbeat=0.02, cut_off=0.5, patience=0.3, stop=0.3)
# For a store, which answers late on a busy machine.
STEADY = attempts.LeaseTimes(heartbeat=0.02, cut_off=5.0, patience=30.0, stop=0.3)
# So slow that a test would notice a wait that is not needed.
SLOW = attempts.LeaseTimes(heartbeat=0.02, cut_off=60.0, stop=60.0)


@pytest.fixture
def lease(tmp_path):
    return attempts.Lease(tmp_path / "Trainer", "run/1")


def files(lease):
    return sorted(path.name for path in lease._folder.glob("*"))


def elsewhere(lease, attempt="far", count=3):
    """The heartbeat of an attempt on another machine."""
    lease.renew(attempt, count)
    path = lease._path(f"attempt-{attempt}")
    content = json.loads(path.read_text())
    content["process"][0] = "another-machine"
    path.write_text(json.dumps(content))


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_the_first_attempt_starts_at_once_and_leaves_no_heartbeat(lease):
    attempt = attempts.Attempt(lease, SLOW)
    attempt.start(lambda: pytest.fail("nobody to wait for"))
    assert attempt.may_go_on()
    wait_until(lambda: max(lease.heartbeats().values()) > 1)
    attempt.end()
    # Who was at work stays: another may take over at this very moment.
    assert files(lease) == ["run-1.at-work"]


def test_an_attempt_that_was_killed_on_this_machine_is_not_waited_for(lease):
    program = (
        "import os, pathlib, signal, sys\n"
        "from pipeline.nodes import attempts\n"
        "lease = attempts.Lease(pathlib.Path(sys.argv[1]), 'run/1')\n"
        "attempts.Attempt(lease).start()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    folder = str(lease._folder.parents[1])
    killed = subprocess.run([sys.executable, "-c", program, folder])
    assert killed.returncode == -9
    assert len(files(lease)) == 2
    attempts.Attempt(lease, SLOW).start()  # would take a minute


def test_an_attempt_of_another_machine_gets_the_time_to_stop(lease):
    elsewhere(lease)
    start, told = time.monotonic(), []
    attempts.Attempt(lease, QUICK).start(lambda: told.append("waiting"))
    assert time.monotonic() - start >= QUICK.stop
    assert told == ["waiting"]
    assert "far" not in lease.heartbeats()


def test_two_attempts_never_go_on_together(lease):
    first, second = attempts.Attempt(lease, QUICK), attempts.Attempt(lease, QUICK)
    first.start()
    second.start()
    assert not first.may_go_on()
    assert second.may_go_on()
    first.end()
    time.sleep(5 * QUICK.heartbeat)
    assert second.may_go_on()  # the first removes its own heartbeat alone


def test_of_two_attempts_that_start_together_one_starts(lease):
    class Meeting(attempts.Lease):
        """Lists attempts when both are about to."""

        def heartbeats(self):
            together.wait(30)
            return super().heartbeats()

    def start(attempt):
        try:
            attempt.start()
        except errors.PipelineError:
            return
        started.append(attempt)

    together, started = threading.Barrier(2), []
    meeting = Meeting(lease._folder.parents[1], "run/1")
    both = [attempts.Attempt(meeting, QUICK) for _ in range(2)]
    threads = [threading.Thread(target=start, args=(attempt,)) for attempt in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(started) == 1
    assert started[0].may_go_on()
    started[0].end()


def test_an_attempt_that_is_replaced_while_it_waits_does_not_start(lease):
    elsewhere(lease)
    attempt = attempts.Attempt(
        lease, attempts.LeaseTimes(heartbeat=0.02, cut_off=60, stop=0.5)
    )
    threading.Timer(0.1, lease.take_over, ["a-later-one"]).start()
    with pytest.raises(errors.PipelineError, match="another attempt"):
        attempt.start()


def test_an_attempt_that_cannot_reach_its_lease_stops(lease):
    attempt = attempts.Attempt(lease, QUICK)
    attempt.start()
    lease._folder.rename(lease._folder.with_name("cut-off"))
    wait_until(lambda: not attempt.may_go_on())
    assert not attempt.settled()


def test_an_attempt_that_was_given_up_does_not_come_back(lease):
    attempt = attempts.Attempt(lease, QUICK)
    attempt.start()
    held = []
    aside = lease._folder.with_name("aside")
    path = lease._path("at-work")
    content = path.read_text()
    path.unlink()
    path.mkdir()  # an error to read, as of a store that refuses
    wait_until(lambda: not attempt.may_go_on())
    assert not attempt.settled(lambda: held.append(time.monotonic()))
    assert QUICK.patience / 2 < held[-1] - held[0] < 10 * QUICK.patience
    path.rename(aside)
    path.write_text(content)
    time.sleep(5 * QUICK.heartbeat)
    assert not attempt.may_go_on()
    assert not attempt.settled()


def test_a_look_is_as_old_as_its_beginning(lease):
    class Frozen(attempts.Lease):
        """The process is frozen when it has just read who is at work."""

        def holder(self):
            name = super().holder()
            if freezes:
                time.sleep(freezes.pop())
                thawed.set()
            return name

    freezes, thawed = [], threading.Event()
    times = attempts.LeaseTimes(heartbeat=0.3, cut_off=1.0, patience=30.0)
    attempt = attempts.Attempt(Frozen(lease._folder.parents[1], "run/1"), times)
    attempt.start()
    freezes.append(2.0)
    assert thawed.wait(30)
    time.sleep(0.1)
    assert not attempt.may_go_on()
    assert attempt.settled()  # it has looked again
    attempt.end()


def test_a_heartbeat_that_cannot_be_removed_fails_nothing(lease, capsys):
    attempt = attempts.Attempt(lease, QUICK)
    attempt.start()
    (heartbeat,) = lease._folder.glob("*.attempt-*")
    heartbeat.unlink()
    heartbeat.mkdir()
    attempt.end()
    printed = capsys.readouterr().err
    assert "the heartbeat of an attempt could not be removed" in printed
    assert str(heartbeat) in printed


def test_attempts_leave_their_lease_in_a_bucket_as_well(gcs):
    lease = attempts.Lease(artifact_paths.of("gs://bucket/lease/Trainer"), "run/1")
    first, second = attempts.Attempt(lease, SLOW), attempts.Attempt(lease, STEADY)
    first.start()
    wait_until(lambda: sum(lease.heartbeats().values()) > 1)
    second.start()
    wait_until(lambda: not first.may_go_on())
    assert len(lease.heartbeats()) == 1
    second.end()
    left = [n for n in gcs.names("gs://bucket/lease/") if not n.endswith("/")]
    assert [name.rpartition("/")[2] for name in left] == ["run-1.at-work"]


def test_an_attempt_that_cannot_reach_its_bucket_stops(gcs):
    lease = attempts.Lease(artifact_paths.of("gs://bucket/cut/Trainer"), "run/1")
    attempt = attempts.Attempt(lease, STEADY)
    attempt.start()
    gcs.fail_next(100_000, status=403)
    wait_until(lambda: not attempt.may_go_on())
    gcs.recover()
    attempt.end()  # a thread that is in TensorFlow when Python ends would end it badly


def test_who_is_refused_the_lease_is_not_told_that_there_are_no_others(gcs):
    class Alive(attempts.Lease):
        """Another attempt sends a heartbeat whenever it is asked for."""

        def heartbeats(self):
            found = super().heartbeats()
            content = json.loads(gcs.read(heartbeat))
            content["count"] += 1
            gcs.write(heartbeat, json.dumps(content).encode())
            return found

    for answered in itertools.count():  # of the requests, then one is refused
        node = artifact_paths.of(f"gs://bucket/refused-{answered}/Trainer")
        lease = Alive(node, "run/1")
        elsewhere(lease)
        heartbeat = str(lease._path("attempt-far"))
        gcs.fail_next(1, status=403, after=answered)
        try:
            assert attempts.abandoned([lease], attempts.LeaseTimes(stop=0.0)) == [False]
            break
        except OSError as error:
            assert not isinstance(error, FileNotFoundError)
        finally:
            gcs.recover()
    assert answered > 3


def test_runs_and_nodes_do_not_see_each_others_lease(lease, tmp_path):
    elsewhere(attempts.Lease(tmp_path / "Trainer", "run/2"))
    elsewhere(attempts.Lease(tmp_path / "Pusher", "run/1"))
    assert lease.heartbeats() == {}


def test_a_node_is_abandoned_when_no_attempt_sends_heartbeats(lease, tmp_path):
    silent = attempts.Lease(tmp_path / "Silent", "1")
    elsewhere(silent)
    without = attempts.Lease(tmp_path / "Without", "1")
    live = attempts.Attempt(lease, QUICK)
    live.start()
    assert attempts.abandoned([silent, lease, without], QUICK) == [True, False, True]
    live.end()
    silent.remove()
    assert files(silent) == []
    assert attempts.abandoned([lease], SLOW) == [True]  # without a wait


def test_a_process_that_got_the_number_of_another_is_not_taken_for_it(lease):
    lease.renew("old", 1)
    assert lease.heartbeats() == {"old": 1}
    path = lease._path("attempt-old")
    content = json.loads(path.read_text())
    content["process"][3] = "1"  # began with the machine
    path.write_text(json.dumps(content))
    assert lease.heartbeats() == {}
