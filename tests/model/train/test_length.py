import numpy as np
import pytest

from model import config
from model.train import length


@pytest.mark.parametrize(
    ("images", "batch_size", "steps"),
    [
        (118_000, 16, 368_750),  # COCO: the paper's 50 epochs
        (14, 4, 1201),  # 14 photos: 343 epochs
        (1, 4, 500),  # never less
        (14, 64, 500),
        (100_000_000, 16, 75_000_000),  # 12 epochs, never less
        (5, 1, 2135),  # 427 epochs
    ],
)
def test_auto_follows_from_images_and_batch(images, batch_size, steps):
    assert length.auto_steps(images, batch_size) == steps


def test_more_images_want_more_steps_and_fewer_epochs():
    images = np.array([10, 100, 1_000, 10_000, 100_000, 1_000_000])
    steps = np.array([length.auto_steps(int(each), 4) for each in images])
    assert (np.diff(steps) > 0).all()
    assert (np.diff(steps / images) < 0).all()


def test_epochs_are_counted_in_whole_batches():
    given = config.TrainConfig(epochs=3, batch_size=4)
    made = length.resolved(given, 14)
    assert (made.num_steps, made.epochs) == (11, None)  # 42 / 4
    # What is resolved once stays, also where it is read again.
    assert length.resolved(made, 99) == made
    assert config.TrainConfig.model_validate_json(made.model_dump_json()) == made


def test_a_number_is_left_alone_and_not_told():
    given = config.TrainConfig(steps=7)
    assert length.resolved(given, 14) is given
    assert length.told(given, 7, 14) is None


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"steps": "auto"},
            "train.steps auto: 70 steps, from 14 training images and batch size 4, "
            "each seen about 20 times",
        ),
        (
            {"epochs": 20},
            "train.epochs 20: 70 steps, from 14 training images and batch size 4",
        ),
    ],
)
def test_what_was_resolved_is_one_line(given, line):
    settings = config.TrainConfig(batch_size=4, **given)
    assert length.told(settings, 70, 14) == line


def test_images_without_an_instance_count_where_they_are_trained_on():
    counts = {0: 5, 1: 2, 7: 1}
    assert length.trained_images(counts, config.TrainConfig()) == 8
    settings = config.TrainConfig(keep_empty_images=False)
    assert length.trained_images(counts, settings) == 3
