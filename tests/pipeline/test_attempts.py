import json
import subprocess
import sys
import threading
import time

import pytest

from pipeline import artifact_paths, attempts, errors

QUICK = attempts.Pace(beat=0.02, cut_off=0.5, stop=0.3)
# So slow that a test would notice a wait that is not needed.
SLOW = attempts.Pace(beat=0.02, cut_off=60.0, stop=60.0)


@pytest.fixture
def marks(tmp_path):
    return attempts.Marks(tmp_path / "Trainer", "run/1")


def files(marks):
    return sorted(path.name for path in marks._folder.glob("*"))


def elsewhere(marks, attempt="far", count=3):
    """The mark of an attempt on another machine."""
    marks.beat(attempt, count)
    path = marks._path(f"attempt-{attempt}")
    content = json.loads(path.read_text())
    content["process"][0] = "another-machine"
    path.write_text(json.dumps(content))


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_the_first_attempt_starts_at_once_and_leaves_nothing(marks):
    attempt = attempts.Attempt(marks, SLOW)
    attempt.start()
    assert attempt.may_go_on()
    wait_until(lambda: max(marks.beats().values()) > 1)
    attempt.end()
    assert files(marks) == []


def test_an_attempt_that_was_killed_on_this_machine_is_not_waited_for(marks):
    program = (
        "import os, pathlib, signal, sys\n"
        "from pipeline import attempts\n"
        "marks = attempts.Marks(pathlib.Path(sys.argv[1]), 'run/1')\n"
        "attempts.Attempt(marks).start()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    folder = str(marks._folder.parents[1])
    killed = subprocess.run([sys.executable, "-c", program, folder])
    assert killed.returncode == -9
    assert len(files(marks)) == 2
    attempts.Attempt(marks, SLOW).start()  # would take a minute


def test_an_attempt_of_another_machine_gets_the_time_to_stop(marks):
    elsewhere(marks)
    start = time.monotonic()
    attempts.Attempt(marks, QUICK).start()
    assert time.monotonic() - start >= QUICK.stop
    assert "far" not in marks.beats()


def test_two_attempts_never_go_on_together(marks):
    first, second = attempts.Attempt(marks, QUICK), attempts.Attempt(marks, QUICK)
    first.start()
    second.start()
    assert not first.may_go_on()
    assert second.may_go_on()
    first.end()
    time.sleep(5 * QUICK.beat)
    assert second.may_go_on()  # the first removes its own mark alone


def test_an_attempt_that_is_replaced_while_it_waits_does_not_start(marks):
    elsewhere(marks)
    attempt = attempts.Attempt(marks, attempts.Pace(beat=0.02, cut_off=60, stop=0.5))
    threading.Timer(0.1, marks.take_over, ["a-later-one"]).start()
    with pytest.raises(errors.PipelineError, match="another attempt"):
        attempt.start()


def test_an_attempt_that_cannot_reach_its_marks_stops(marks):
    attempt = attempts.Attempt(marks, QUICK)
    attempt.start()
    marks._folder.rename(marks._folder.with_name("cut-off"))
    wait_until(lambda: not attempt.may_go_on())


def test_attempts_leave_their_marks_in_a_bucket_as_well(gcs):
    marks = attempts.Marks(artifact_paths.of("gs://bucket/marks/Trainer"), "run/1")
    first, second = attempts.Attempt(marks, SLOW), attempts.Attempt(marks, QUICK)
    first.start()
    wait_until(lambda: sum(marks.beats().values()) > 1)
    second.start()
    wait_until(lambda: not first.may_go_on())
    assert len(marks.beats()) == 1
    second.end()
    assert [n for n in gcs.names("gs://bucket/marks/") if not n.endswith("/")] == []


def test_an_attempt_that_cannot_reach_its_bucket_stops(gcs):
    marks = attempts.Marks(artifact_paths.of("gs://bucket/cut/Trainer"), "run/1")
    attempt = attempts.Attempt(marks, QUICK)
    attempt.start()
    gcs.fail_next(100_000, status=403)
    wait_until(lambda: not attempt.may_go_on())
    gcs.recover()
    attempt.end()  # a thread that is in TensorFlow when Python ends would end it badly


def test_runs_and_nodes_do_not_see_each_others_marks(marks, tmp_path):
    elsewhere(attempts.Marks(tmp_path / "Trainer", "run/2"))
    elsewhere(attempts.Marks(tmp_path / "Pusher", "run/1"))
    assert marks.beats() == {}


def test_a_node_is_abandoned_when_no_attempt_shows_life(marks, tmp_path):
    silent = attempts.Marks(tmp_path / "Silent", "1")
    elsewhere(silent)
    without = attempts.Marks(tmp_path / "Without", "1")
    live = attempts.Attempt(marks, QUICK)
    live.start()
    assert attempts.abandoned([silent, marks, without], QUICK) == [True, False, True]
    live.end()
    silent.remove_all()
    assert files(silent) == []
    assert attempts.abandoned([marks], SLOW) == [True]  # without a wait


def test_a_process_that_got_the_number_of_another_is_not_taken_for_it(marks):
    marks.beat("old", 1)
    assert marks.beats() == {"old": 1}
    path = marks._path("attempt-old")
    content = json.loads(path.read_text())
    content["process"][3] = "1"  # began with the machine
    path.write_text(json.dumps(content))
    assert marks.beats() == {}
