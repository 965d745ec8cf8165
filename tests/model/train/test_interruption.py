import os
import signal
import threading
import time

import pytest

from foundation import errors, progress
from model.train import interruption


class Work:
    """Steps that go on until they are stopped."""

    def __init__(self, *signals, saving=lambda: None):
        self.signals = signals
        self.saving = saving
        self.is_stopped = threading.Event()

    def run(self):
        for number in self.signals:
            os.kill(os.getpid(), number)
            time.sleep(0.5)
        if self.signals:
            self.is_stopped.wait(30)
        return "done"

    def stop(self):
        self.saving()
        self.is_stopped.set()
        return "step 3 is saved"


class Lines:
    def __init__(self):
        self.told = []

    def tell(self, line):
        self.told.append((time.monotonic(), line))


@pytest.fixture
def lines():
    found = Lines()
    progress.set_reporter(found)
    yield found.told
    progress.set_reporter(progress.LineReporter())


def test_left_alone_it_returns_what_the_work_does(lines):
    before = signal.getsignal(signal.SIGTERM)
    assert interruption.run(Work()) == "done"
    assert signal.getsignal(signal.SIGTERM) == before
    assert lines == []


def test_an_error_of_the_work_is_raised():
    class Failing(Work):
        def run(self):
            raise errors.PipelineError("full")

    with pytest.raises(errors.PipelineError, match="full"):
        interruption.run(Failing())


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, errors.Interrupted)],
)
def test_a_signal_is_answered_within_two_seconds_and_saves(lines, number, error):
    begun = time.monotonic()
    with pytest.raises(error):
        interruption.run(Work(number))
    (first, stopping), (_, saved) = lines
    assert first - begun < 2.0
    assert stopping == f"{number.name}: stopping, and saving what was trained"
    assert saved == "step 3 is saved"
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_sigterm_says_to_run_it_again(lines):
    with pytest.raises(errors.Interrupted, match="SIGTERM. step 3 is saved; run the"):
        interruption.run(Work(signal.SIGTERM))


def test_work_that_does_not_end_is_gone_without(lines, monkeypatch):
    monkeypatch.setattr(interruption, "_END_SECONDS", 0.1)
    end = threading.Event()

    class Endless(Work):
        def run(self):
            os.kill(os.getpid(), signal.SIGINT)
            end.wait(60)

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interruption.run(Endless())
    assert time.monotonic() - begun < 10
    end.set()


def test_a_second_ctrl_c_does_not_wait_for_the_saving(lines):
    saved = []

    def saving():
        time.sleep(20)
        saved.append(True)

    with pytest.raises(KeyboardInterrupt):
        interruption.run(Work(signal.SIGINT, signal.SIGINT, saving=saving))
    assert saved == []


def test_outside_of_the_main_thread_signals_are_left_to_others():
    found = []
    thread = threading.Thread(target=lambda: found.append(interruption.run(Work())))
    thread.start()
    thread.join(30)
    assert found == ["done"]
