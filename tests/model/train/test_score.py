import numpy as np
import pytest

from foundation import errors, progress
from model import config
from model.train import curves, score


class Lines(list):
    def tell(self, line):
        self.append(line)


@pytest.fixture
def lines():
    found = Lines()
    progress.set_reporter(found)
    yield found
    progress.set_reporter(progress.LineReporter())


@pytest.fixture
def made(tmp_path):
    """A score; arguments are settings and how many steps were skipped before."""

    def make(before=0, **settings):
        drawn = curves.Curves(tmp_path, 0, is_kept=False)
        return score.Score(config.TrainConfig(**settings), drawn, 0, before)

    return make


def values(is_sound=True, **changes):
    sound = {
        "class": np.ones(2),
        "mask": np.ones(2),
        "dice": np.ones(2),
        "nonfinite_costs": 0,
        "gradient_norm": 1.0,
        "learning_rate": 0.1,
        "is_sound": is_sound,
    }
    return {**sound, **changes}


@pytest.mark.parametrize(
    ("speed", "text"),
    [
        (123.4, "123"),
        (10.0, "10"),
        (9.97, "10"),
        (9.55, "9.6"),
        (8.02, "8.0"),
        (0.0312, "0.031"),
    ],
)
def test_few_images_a_second_are_told_with_decimals(speed, text):
    assert score.in_digits(speed) == text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mask": np.array([1, np.nan])}, "the mask loss of images 4, 9"),
        ({"gradient_norm": np.inf}, "the gradient of images 4, 9"),
        ({"nonfinite_costs": 6}, "the 6 matching costs of images 4, 9"),
    ],
)
def test_a_skipped_step_is_counted_and_logged_with_its_images(
    made, caplog, changes, said
):
    kept = made()
    kept.record(1, values(), [1, 2])
    kept.record(2, values(is_sound=False, **changes), [4, 9])
    assert (kept.result().skipped, kept.result().steps) == (1, 2)
    assert f"Step 2 skipped: {said}: not finite" in caplog.text


def test_a_result_says_how_many_steps_were_planned(made):
    kept = made(steps=9)
    kept.record(2, values(), [1, 2])
    facts = kept.result().to_facts()
    assert (facts["steps"], facts["planned_steps"]) == (2, 9)


def test_so_many_in_a_row_stop_it_and_an_update_between_does_not_count(made):
    kept = made(max_skipped_updates=3)
    bad = values(is_sound=False, gradient_norm=np.nan)
    for step, each in enumerate([bad, bad, values(), bad, bad], start=1):
        kept.record(step, each, [7])
    with pytest.raises(errors.PipelineError, match="step 6: .* 7 .* in 3 steps in a"):
        kept.record(6, bad, [7])
    assert kept.result().skipped == 5


def test_those_before_a_restart_count(made):
    with pytest.raises(errors.PipelineError, match="in 3 steps in a row"):
        made(before=2, max_skipped_updates=3).record(9, values(is_sound=False), [])


def test_the_cap_of_instances_is_told_once(made, lines):
    kept = made(max_instances=100)
    kept.tell_of_cap(np.array([0, 0]), [1, 2])
    assert lines == []
    kept.tell_of_cap(np.array([0, 1100]), [1, 2])
    kept.tell_of_cap(np.array([0, 7]), [1, 3])
    (line,) = lines
    assert line.startswith("image 2 shows 1200 instances, of which train.max_instances")
