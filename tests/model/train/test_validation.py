import json
import math

import pytest

from model import train_sections
from model.train import validation


def metrics(mask_ap):
    known = {"mask_ap50": 0.5, "mask_ar": 0.25, "box_ap": 0.125, "num_images": 1.0}
    return {"mask_ap": mask_ap, **known}


def following(*scores, **settings):
    """A validation every ten steps that has found these mask APs."""
    section = train_sections.ValidationConfig(**{"every_steps": 10, **settings})
    found = validation.Validation(section, ask=lambda: None)
    for number, score in enumerate(scores, start=1):
        found.record(10 * number, metrics(score))
    return found


def test_every_so_many_steps_and_the_last_are_due_once():
    found = following()
    assert [step for step in range(36) if found.is_due(step, 35)] == [10, 20, 30, 35]
    found.record(20, metrics(0.5))
    assert not found.is_due(20, 35)


def test_the_best_is_the_highest_and_of_equals_the_first():
    assert following(0.25, 0.5, 0.5, 0.375).best.step == 20
    assert following(math.nan, 0.0).best.step == 20
    assert following(math.nan).best is None
    assert following().best is None


@pytest.mark.parametrize(
    ("scores", "patience", "exhausted"),
    [
        ((0.5, 0.4, 0.3), 2, True),
        ((0.5, 0.4), 2, False),
        ((0.4, 0.3, 0.5), 2, False),
        ((0.5, 0.4, 0.3), 0, False),
        ((math.nan, math.nan), 1, False),
    ],
)
def test_patience_ends_when_so_many_bring_nothing_better(scores, patience, exhausted):
    assert following(*scores, patience=patience).is_exhausted == exhausted


def test_what_is_saved_as_json_is_taken_up_again():
    before, after = following(0.25, math.nan), following()
    after.take(json.loads(json.dumps(before.facts(), allow_nan=False)))
    assert str(after.rows) == str(before.rows)  # NaN is not equal to itself
    assert after.best == before.best


def test_a_step_that_is_made_again_replaces_what_came_after_it():
    found = following(0.25, 0.5, 0.75)
    found.record(20, metrics(0.375))
    assert [(row.step, row.mask_ap) for row in found.rows] == [(10, 0.25), (20, 0.375)]


def test_the_table_has_a_line_for_each_step(tmp_path):
    following(0.25, 0.5).write_table(tmp_path)
    assert (tmp_path / "validation.csv").read_text().splitlines() == [
        "step,mask_ap,mask_ap50,mask_ap75,mask_ar,box_ap",
        "10,0.25,0.5,nan,0.25,0.125",
        "20,0.5,0.5,nan,0.25,0.125",
    ]
