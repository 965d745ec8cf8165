import itertools
import threading

import pytest

from benchmarks import measure_training, training


def measured(plain, loop, ema, waiting):
    return {
        "plain": {"median": plain},
        "loop": {"median": loop},
        "ema": {"median": ema},
        "data": {"median": loop, "waiting": waiting},
    }


ROUNDS = [
    measured(2.0, 2.1, 2.121, 0.01),
    measured(4.0, 4.6, 4.6, 0.07),  # a busy moment: all are slower
    measured(2.0, 2.24, 2.24 * 1.03, 0.06),
]


def test_costs_are_medians_of_the_rounds():
    loop, data, ema = training.costs(ROUNDS)
    assert loop.share == pytest.approx(0.12)  # of 5, 15 and 12 %
    assert data.share == pytest.approx(0.06)
    assert ema.share == pytest.approx(0.01)  # of 1, 0 and 3 %


def test_the_page_says_which_goals_are_held_and_on_which_machine():
    page = training.page(ROUNDS, 40, "a machine, 2 cores")
    assert "Machine: a machine, 2 cores. The compiled step alone takes 0.050 s." in page
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[1:] for row in rows] == [
        ["**12.0%**", "10%", "no |"],
        ["**6.0%**", "5%", "no |"],
        ["**1.0%**", "2%", "yes |"],
    ]


class Batches:
    element_spec = "spec"

    def __iter__(self):
        return itertools.count()


def test_a_feed_gives_as_many_batches_as_it_is_told_to():
    feed, taken = measure_training.Feed(Batches()), []
    training_thread = threading.Thread(
        target=lambda: [taken.append(batch) for batch in feed], daemon=True
    )
    training_thread.start()
    for total in (3, 4, 9):
        feed.go_on(total - len(taken), training_thread.is_alive)
        assert taken == list(range(total))
    assert feed.element_spec == "spec"
    assert feed.waited > 0


def test_a_training_that_ended_is_not_waited_for():
    feed = measure_training.Feed(Batches())
    with pytest.raises(RuntimeError, match="the training ended"):
        feed.go_on(2, lambda: False)
