import io
import logging

import pytest
import rich.console

from foundation import console, progress


class Recorder:
    def __init__(self):
        self.events = []

    def start(self, description, total):
        self.events.append(("start", description, total))
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
    progress.set_reporter(progress.LogReporter())


def test_a_bar_is_closed_when_its_block_fails(recorder):
    with pytest.raises(ValueError, match="boom"), progress.track("Reading", 3) as bar:
        bar.advance(2, "two")
        raise ValueError("boom")
    assert recorder.events == [
        ("start", "Reading", 3),
        ("advance", 2, "two"),
        ("finish",),
    ]


def test_without_a_terminal_the_end_is_logged(caplog):
    with caplog.at_level(logging.INFO), progress.track("Reading", 3) as bar:
        bar.advance(3)
    assert "Reading: 3 done" in caplog.text


def test_a_pod_prints_progress_instead_of_logging_it(monkeypatch, caplog):
    said = []
    reporter = progress.LogReporter(said.append)
    monkeypatch.setattr(progress, "_reporter", reporter)
    monkeypatch.setattr(progress, "_LOG_SECONDS", 0.0)
    with caplog.at_level(logging.INFO), progress.track("Training", 3) as bar:
        bar.advance(2, "loss 1.50")
    assert said == ["Training: 2/3 loss 1.50", "Training: 2 done"]
    assert caplog.text == ""


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_long_run_also_tells_the_log_how_far_it_is(monkeypatch, caplog, is_terminal):
    monkeypatch.setattr(progress, "_LOG_SECONDS", 0.0)
    shown = io.StringIO()
    terminal = rich.console.Console(file=shown, force_terminal=is_terminal)
    with (
        caplog.at_level(logging.INFO),
        console.bars(terminal),
        progress.track("Training", 3) as bar,
    ):
        bar.advance(2, "loss 1.50")
    assert caplog.messages == ["Training: 2/3 loss 1.50", "Training: 2 done"]
    assert ("Training" in shown.getvalue()) == is_terminal
