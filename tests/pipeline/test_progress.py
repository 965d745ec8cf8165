import logging

import pytest

from pipeline import progress


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
