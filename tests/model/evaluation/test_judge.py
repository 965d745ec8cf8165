import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from model import train_sections
from model.evaluation import coco_metrics, ground_truth, judge, predictor
from model.serve import saved_model

STRIPE = (3, 8, 0, 8, 32)
SECOND = (22, 20, 0, 8, 32)
SHAPES = {40: [STRIPE, SECOND], 6: [], 8: [SECOND], 9: [STRIPE]}


@pytest.fixture
def files(colour_model, tmp_path):
    stored = [
        colour_model.example(number, colour_model.picture(shapes), shapes)
        for number, shapes in SHAPES.items()
    ]
    return [str(colour_model.write_split(tmp_path, stored))]


def ask(colour_model, files, module=None, **settings):
    wanted = train_sections.ValidationConfig(**settings)
    return judge.Judge(module or colour_model.module(), files, wanted, seed=3)()


def test_all_images_give_the_numbers_of_the_exported_model(
    colour_model, files, exported
):
    found = ask(colour_model, files, images=0).metrics
    served = saved_model.load(exported)
    truth = ground_truth.from_records(files, served.categories)
    results = predictor.score_images(served, files, 4, 1, "Test")
    expected = coco_metrics.evaluate(truth, results)
    np.testing.assert_equal(dataclasses.asdict(found), dataclasses.asdict(expected))
    assert found.mask_ap == 1.0


def test_a_part_is_the_same_every_time_and_has_its_own_truth(colour_model, files):
    first = ask(colour_model, files, images=2).metrics
    again = ask(colour_model, files, images=2).metrics
    np.testing.assert_equal(dataclasses.asdict(first), dataclasses.asdict(again))
    assert first.num_images == 2
    assert ask(colour_model, files, images=50).metrics.num_images == 4


def test_the_weights_of_the_moment_are_judged(colour_model, files):
    module = colour_model.module()
    asked = judge.Judge(module, files, train_sections.ValidationConfig(), seed=3)
    assert asked().metrics.mask_ap == 1.0
    module.variables[0].assign(tf.fill([3, 3], 1000.0))
    assert asked().metrics.mask_ap == 0.0


@pytest.mark.parametrize(("pictures", "drawn"), [(0, 0), (2, 2), (9, 4)])
def test_so_many_pictures_are_drawn(colour_model, files, pictures, drawn):
    found = ask(colour_model, files, pictures=pictures).pictures
    assert [(each.dtype, each.shape) for each in found] == [
        (np.uint8, (512, 1028, 3))
    ] * drawn
