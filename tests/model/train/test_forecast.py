import numpy as np
import pytest

from model import config
from model.examples import categories
from model.network import mask2former
from model.train import forecast


class Clock:
    """Each step takes one second, the first and the fourth longer."""

    def __init__(self):
        self.now, self.step = 0.0, 0

    def __call__(self):
        self.step += 1
        self.now += {1: 100.0, 4: 50.0}.get(self.step, 1.0)
        return self.now


def test_the_first_steps_after_a_start_are_measured_and_told_once():
    first = forecast.FirstSteps(10, 1016, Clock())
    told = {number: first.lines(number) for number in range(11, 30)}
    assert [number for number, lines in told.items() if lines] == [16]
    # Traced, and judged once: neither is part of a step.
    assert "1000 steps are left and take about 16 min 40 s (1.00 s each" in told[16][0]


def test_a_training_of_few_steps_tells_nothing():
    first = forecast.FirstSteps(0, 4, Clock())
    assert [first.lines(number) for number in range(1, 5)] == [[]] * 4


def test_facts_come_from_counts_and_a_look_at_the_records(
    tmp_path, serialize_example, write_records, tiny_model_config
):
    image = np.zeros([32, 32, 3], np.uint8)
    mask = np.zeros([32, 32], np.uint8)
    mask[:8, :8] = 1
    train = write_records(
        tmp_path / "a.gz", [serialize_example(image, [mask, mask], [1, 1])]
    )
    held_out = write_records(
        tmp_path / "b.gz", [serialize_example(image, [mask], [2])] * 3
    )
    settings = config.TrainerConfig.model_validate(
        {
            "model": tiny_model_config.model_dump(),
            "train": {
                "batch_size": 4,
                "micro_batches": 2,
                "augment": {"crop_size": 32, "min_scale": 0.2, "max_scale": 0.4},
            },
            "data": {"short_side": 32, "long_side": 32},
        }
    )
    model = mask2former.build(tiny_model_config, 1)
    classes = [categories.Category(1, "cat", 2)]
    facts = forecast.facts(settings, model, classes, {2: 1}, [train], [held_out])
    assert (facts.images, facts.classes) == (1, {"cat": 2})
    assert (facts.eval_images, facts.eval_objects) == (3, 3)
    assert facts.eval_only == ["thing"]  # the name that the records have
    # 8 px in 32: 2.4 px at the middle of the scales, 8 px evaluated.
    assert (facts.small_trained, facts.small_evaluated) == (1.0, 0.0)
    assert facts.weights == sum(w.numpy().size for w in model.trainable_variables)
    pixels = 2 * 32 * 32
    assert facts.memory_needed == pytest.approx(
        1.5 * 2**30 + 20 * facts.weights + pixels * (1024 + 13 * 8)
    )
    assert facts.is_random


def test_without_an_eval_split_there_is_nothing_to_say_of_it(
    tmp_path, serialize_example, write_records, tiny_model_config
):
    image = np.zeros([32, 32, 3], np.uint8)
    files = [write_records(tmp_path / "a.gz", [serialize_example(image, [], [])])]
    model = mask2former.build(tiny_model_config, 1)
    settings = config.TrainerConfig(model=tiny_model_config)
    facts = forecast.facts(settings, model, [], {0: 1}, files, [])
    assert (facts.eval_images, facts.eval_objects, facts.eval_only) == (None, None, ())
    assert facts.small_trained == 0.0
