"""Accounts of a clock that the tests set; nothing is timed here."""

import pytest

from model.train import cost


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def meter(clock, host=3_000, device=None, replicas=4, here=2):
    return cost.Meter(replicas, here, lambda: cost.Peaks(host, device), clock)


def spent(clock, seconds):
    clock.now += seconds


def attempt(clock, made):
    """20 s: 6 judging, 3 waiting, 1 and 3 matching on two replicas; 8 images."""
    with made.waiting():
        spent(clock, 3.0)
    with made.judging():
        spent(clock, 6.0)
    for seconds in (1.0, 3.0):
        assert made.matching(lambda s: spent(clock, s) or "found")(seconds) == "found"
    made.count(8)
    spent(clock, 7.0)
    return made.facts()


def test_each_second_is_where_it_belongs(clock):
    facts = attempt(clock, meter(clock))
    assert facts == {
        "attempts": 1,
        "seconds": 20.0,
        "device_seconds": 80.0,
        "images": 8,
        "judging_seconds": 6.0,
        "waiting_seconds": 3.0,
        "matching_seconds": 2.0,  # the mean of two replicas
        "peak_memory_bytes": 3_000,
        "peak_device_bytes": None,
    }
    summary = cost.summary(facts)
    assert summary["images_per_second"] == pytest.approx(8 / 14, abs=1e-3)
    assert summary["waiting_share"] == pytest.approx(3 / 14, abs=1e-4)
    assert summary["matching_share"] == pytest.approx(2 / 14, abs=1e-4)


def test_attempts_add_up_and_the_highest_peak_stays(clock):
    first = attempt(clock, meter(clock, host=5_000, device=700))
    spent(clock, 3_600.0)  # nobody trains while the machine is down
    again = meter(clock, host=4_000, device=900, replicas=1, here=1)
    again.take(first)
    second = attempt(clock, again)
    assert (second["attempts"], second["seconds"], second["images"]) == (2, 40.0, 16)
    assert second["device_seconds"] == 80.0 + 20.0
    assert second["matching_seconds"] == 2.0 + 4.0
    assert (second["peak_memory_bytes"], second["peak_device_bytes"]) == (5_000, 900)
    third = meter(clock, host=1, device=None)  # on a machine without a GPU
    third.take(second)
    assert third.facts()["peak_device_bytes"] == 900
    assert third.facts() == third.facts()  # asking costs nothing


def test_what_ends_badly_is_counted_too(clock):
    made = meter(clock)

    def torn():
        spent(clock, 2.0)
        raise OSError

    for block in (made.matching(torn), lambda: _within(made.waiting(), torn)):
        with pytest.raises(OSError):
            block()
    facts = made.facts()
    assert (facts["matching_seconds"], facts["waiting_seconds"]) == (1.0, 2.0)


def _within(block, work):
    with block:
        work()


def test_people_are_told_in_one_line(clock):
    facts = attempt(clock, meter(clock, host=1_234_000_000))
    line = cost.told(cost.summary(facts))
    assert line == (
        "20 s, 80 device seconds, 0.571 images/s, 21.4% waiting for data, 14.3% "
        "matching, at most 1.23 GB of memory"
    )
    again = meter(clock, host=1, device=2_500_000_000)
    again.take(facts)
    line = cost.told(cost.summary(again.facts()))
    assert "20 s in 2 attempts, " in line
    assert line.endswith("1.23 GB of memory, 2.50 GB on a device")


def test_a_training_that_never_began_divides_by_nothing(clock):
    assert cost.summary(meter(clock).facts())["images_per_second"] == 0.0
