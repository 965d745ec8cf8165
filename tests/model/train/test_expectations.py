import dataclasses
import re

import pytest

from model.train import expectations

GIB = 2**30
FINE = expectations.Facts(
    images=20_000,
    instances_per_image={0: 5_000, 7: 15_000},
    classes={"cat": 90_000, "dog": 5},
    eval_images=20,
    eval_objects=100,
    eval_only=(),
    small_trained=0.05,
    small_evaluated=0.05,
    max_instances=7,
    weights=40_000_000,
    is_random=True,
    has_gpu=False,
    memory_needed=4 * GIB,
    memory_limit=8 * GIB,
)


def lines(**changes):
    return expectations.before(dataclasses.replace(FINE, **changes))


def test_where_all_is_well_nothing_is_told():
    assert lines() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": 9_999}, "9999 training images are few for that.* small.yaml"),
        ({"images": 14, "has_gpu": True}, "custom.yaml .*init_from: imagenet"),
        ({"eval_images": 19}, "19 images with 100 objects: .* about 0.05,"),
        ({"eval_images": 4, "eval_objects": 25}, "error of about 0.10,"),
        ({"eval_images": 4, "eval_objects": 0}, "error of about 0.50,"),
        ({"classes": {"cat": 9, "ox": 4}}, r"fewer than 5 .*instances: ox \(4\)\."),
        ({"eval_only": ["emu"]}, "eval split only, never learnt: emu"),
        (
            {"classes": {f"c{n}": 1 for n in range(7)}},
            r"c0 \(1\), .*c4 \(1\) and 2 more",
        ),
        ({"max_instances": 6}, "15000 training images .*max_instances 6, the most 7"),
        ({"small_evaluated": 0.25}, "25% of the instances are smaller than 4 px"),
        ({"small_trained": 0.1}, "5% .* 10% amid the scales of training"),
        ({"memory_needed": 8.5 * GIB}, "some 8 GiB of memory, and there are 8.0"),
    ],
)
def test_what_matters_is_one_line_with_its_numbers(changes, said):
    (line,) = lines(**changes)
    assert re.search(said, line), line


@pytest.mark.parametrize(
    "changes",
    [
        {"images": 14, "is_random": False},
        {"images": 14, "weights": 4_000_000},  # the demo
        {"eval_images": None, "eval_objects": None},
        {"memory_needed": 9 * GIB, "has_gpu": True},
        {"memory_needed": 9 * GIB, "memory_limit": None},
    ],
)
def test_what_does_not_matter_is_no_line(changes):
    assert lines(**changes) == []


@pytest.mark.parametrize(("side", "gib"), [(480, 4.05), (800, 7.4)])
def test_the_estimate_of_memory_is_near_what_was_measured(side, gib):
    # benchmarks/RESULTS.md: ResNet-50, two images, 44 million weights.
    found = expectations.memory_needed(44_000_000, 2 * side**2, 256)
    assert found / GIB == pytest.approx(gib, rel=0.1)


def after(seconds=2.0, left=1200, peak=3 * GIB, limit=8 * GIB, has_gpu=False):
    return expectations.after_first_steps(seconds, left, peak, limit, has_gpu)


def test_time_and_memory_are_told_after_the_first_steps():
    (line,) = after()
    assert "1200 steps are left and take about 40 min 00 s (2.00 s each" in line
    assert "3.0 of 8.0 GiB" in line


def test_what_takes_under_a_minute_is_not_told():
    assert after(seconds=0.049) == []
    assert len(after(seconds=0.051)) == 1


def test_more_than_two_hours_on_a_cpu_name_the_preset_and_what_makes_it_shorter():
    assert len(after(seconds=5.9)) == 1
    _, line = after(seconds=6.1)
    assert "small.yaml" in line and "train.augment.crop_size" in line
    assert len(after(seconds=6.1, has_gpu=True)) == 1


def test_memory_that_is_almost_used_up_is_a_line():
    assert len(after(peak=6.9 * GIB)) == 1
    _, line = after(peak=7 * GIB)
    assert "train.micro_batches" in line
    assert len(after(peak=7 * GIB, limit=None)) == 1
