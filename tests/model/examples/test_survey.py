import numpy as np
import pytest

from model import config, image_sections
from model.examples import survey


def square(side, of=(40, 80)):
    mask = np.zeros(of, np.uint8)
    mask[:side, :side] = 1
    return mask


@pytest.fixture(scope="module")
def files(tmp_path_factory, serialize_example, write_records):
    image = np.zeros([40, 80, 3], np.uint8)
    folder = tmp_path_factory.mktemp("records")
    examples = [
        serialize_example(image, [square(4), square(20)], [1, 1]),
        serialize_example(image, [square(8), square(30)], [1, 1], crowds=[0, 1]),
        serialize_example(image, [], []),
    ]
    return [
        write_records(folder / "a.gz", examples[:2]),
        write_records(folder / "b.gz", examples[2:]),
    ]


def test_objects_that_are_no_crowd_are_counted_with_their_sizes(files):
    found = survey.look(files, 10)
    assert (found.images, found.is_whole) == (3, True)
    assert found.objects == {"thing": 3}
    assert found.areas.tolist() == [16, 400, 64]
    assert found.sizes.tolist() == [[40, 80]] * 3


@pytest.mark.parametrize(("most", "images", "whole"), [(3, 3, True), (2, 2, False)])
def test_no_more_than_so_many_images_are_looked_at(files, most, images, whole):
    found = survey.look(files, most)
    assert (found.images, found.is_whole) == (images, whole)


def test_a_split_without_objects_has_none(tmp_path, serialize_example, write_records):
    empty = serialize_example(np.zeros([8, 8, 3], np.uint8), [], [])
    found = survey.look([write_records(tmp_path / "a.gz", [empty])], 10)
    assert (found.images, found.objects.total(), found.areas.size) == (1, 0, 0)
    assert found.trained_sides(config.TrainConfig()).size == 0


def test_sides_are_those_at_the_size_of_training_and_of_evaluation(files):
    found = survey.look(files, 10)
    recipe = config.TrainConfig(
        augment={"crop_size": 160, "min_scale": 0.5, "max_scale": 1.0}
    )
    # The long side of 80 becomes 160 x 0.75 = 120.
    assert found.trained_sides(recipe) == pytest.approx([6, 30, 12])
    # Short 40 -> 80, unless long 80 would pass 100: by 1.25, not by 2.
    data = image_sections.ImageConfig(short_side=80, long_side=100)
    assert found.evaluated_sides(data) == pytest.approx([5, 25, 10])
