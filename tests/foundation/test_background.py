import contextvars
import threading
import time

import pytest

from foundation import background


def test_the_result_is_there_when_it_has_ended():
    work = background.Work(lambda: 6 * 7)
    assert work.wait(30)
    assert work.result() == 42


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_it_raises_reaches_who_waits(error):
    def fail():
        raise error("boom")

    work = background.Work(fail)
    assert work.wait(30)
    with pytest.raises(error, match="boom"):
        work.result()


def test_it_sees_the_context_it_was_begun_in():
    mode = contextvars.ContextVar("mode", default="plain")
    mode.set("other")
    work = background.Work(mode.get)
    assert work.wait(30)
    assert work.result() == "other"


def test_work_that_still_runs_is_left():
    end = threading.Event()
    work = background.Work(end.wait)
    assert not work.wait(0.01)
    assert background.is_left()
    end.set()
    assert work.wait(30)
    deadline = time.monotonic() + 30
    while background.is_left() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not background.is_left()
