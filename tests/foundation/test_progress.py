import io
import logging
import time

import pytest
import rich.console

from foundation import console, progress


class Recorder:
    def __init__(self):
        self.events = []

    def start(self, description, total, done=0):
        self.events.append(("start", description, total, done))
        return self

    def advance(self, count=1, note=""):
        self.events.append(("advance", count, note))

    def finish(self, task):
        self.events.append(("finish",))


@pytest.fixture
def recorder():
    found = Recorder()
    progress.set_reporter(found)
    yield found
    progress.set_reporter(progress.LineReporter())


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(progress.time, "monotonic", found.monotonic)
    return found


def until(wanted, lines):
    for _ in range(400):
        if wanted in lines():
            return
        time.sleep(0.01)
    raise AssertionError(f"{wanted!r} is not in {lines()}")


def test_a_bar_is_closed_when_its_block_fails(recorder):
    with (
        pytest.raises(ValueError, match="boom"),
        progress.track("Reading", 3, done=1) as bar,
    ):
        bar.advance(2, "two")
        raise ValueError("boom")
    assert recorder.events == [
        ("start", "Reading", 3, 1),
        ("advance", 2, "two"),
        ("finish",),
    ]


def test_without_a_terminal_the_end_is_logged(caplog):
    with caplog.at_level(logging.INFO), progress.track("Reading", 3) as bar:
        bar.advance(3)
    assert "Reading: 3 done" in caplog.text


def test_a_line_tells_the_share_the_note_and_the_time_left(clock):
    task = progress.LineTask("Training", 200, done=40)
    assert task.line() == "Training: 40/200 (20 %)"
    clock.now += 60  # the first unit traces functions: it is no measure of the others
    task.advance(1, "loss 9.00")
    assert task.line() == "Training: 41/200 (20 %)  loss 9.00"
    clock.now += 6
    for note in ("loss 8.50", "", ""):
        task.advance(1, note)
    # Three units took 6 s and 156 are left: 312 s.
    assert task.line() == "Training: 44/200 (22 %)  loss 8.50  5 min 12 s left"


def test_what_has_no_end_tells_what_is_done_or_how_long_it_takes(clock):
    task = progress.LineTask("8/12 Transform", None)
    clock.now += 30
    assert task.line() == "8/12 Transform: 30.0 s"
    task.advance(7)
    assert task.line() == "8/12 Transform: 7/?"


def test_a_line_comes_also_while_one_unit_takes_long(monkeypatch):
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.01)
    said = []
    reporter = progress.LineReporter(said.append, tells_ends=False)
    outer = reporter.start("8/12 Trainer", None)
    inner = reporter.start("Training", 3)
    until("Training: 0/3 (0 %)", lambda: said)
    inner.advance(1, "loss 1.50")
    until("Training: 1/3 (33 %)  loss 1.50", lambda: said)
    reporter.finish(inner)
    until("8/12 Trainer: 0.0 s", lambda: said)
    reporter.finish(outer)
    time.sleep(0.05)
    count = len(said)
    time.sleep(0.05)
    assert len(said) == count  # nothing is open, nothing is said


def test_a_pod_prints_progress_instead_of_logging_it(monkeypatch, caplog):
    said = []
    monkeypatch.setattr(progress, "_reporter", progress.LineReporter(said.append))
    with caplog.at_level(logging.INFO), progress.track("Training", 3) as bar:
        bar.advance(2, "loss 1.50")
    assert said == ["Training: 2 done"]
    assert caplog.text == ""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_long_run_tells_the_user_and_the_log_how_far_it_is(
    monkeypatch, caplog, is_terminal
):
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.01)
    shown = io.StringIO()
    terminal = rich.console.Console(file=shown, force_terminal=is_terminal)
    line = "Training: 2/3 (66 %)  loss 1.50"
    with (
        caplog.at_level(logging.INFO),
        console.bars(terminal),
        progress.track("Training", 3) as bar,
    ):
        bar.advance(2, "loss 1.50")
        until(line, lambda: caplog.messages)
    text = shown.getvalue()
    assert ("\x1b" in text) == is_terminal  # bars move the cursor
    assert (f"  {line}\n" in text) != is_terminal
    assert "done" not in text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (247.4, "4 min 07 s"),
     (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (9000, "2 h 30 min")],
)  # fmt: skip
def test_durations_round_before_they_are_split(seconds, shown):
    assert progress.duration(seconds) == shown


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_the_user_should_know_is_shown_once_and_logged(caplog, is_terminal):
    shown = io.StringIO()
    terminal = rich.console.Console(
        file=shown, force_terminal=is_terminal, width=40, highlight=False
    )
    line = "Going on from step 7 [of 9]; " + "this line is longer than the terminal"
    with (
        caplog.at_level(logging.INFO),
        console.bars(terminal),
        progress.track("Training", 3),
    ):
        progress.tell(line)
    assert caplog.messages.count(line) == 1
    assert shown.getvalue().count(f"  {line}") == 1


def test_without_a_reporter_of_its_own_a_process_logs_it(caplog):
    with caplog.at_level(logging.INFO):
        progress.tell("Going on from step 7")
    assert caplog.messages == ["Going on from step 7"]
