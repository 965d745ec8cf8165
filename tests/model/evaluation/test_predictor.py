import pytest
from pycocotools import mask as coco_mask

from model.evaluation import predictor
from model.serve import saved_model

STRIPE = (3, 8, 0, 8, 32)  # over the full width: the model draws it exactly
SECOND = (22, 20, 0, 8, 32)
SHAPES = {40: [STRIPE, SECOND], 6: [], 8: [SECOND]}


@pytest.fixture(scope="module")
def model(exported):
    return saved_model.load(exported)


@pytest.fixture
def files(colour_model, tmp_path):
    stored = [
        colour_model.example(number, colour_model.picture(shapes), shapes)
        for number, shapes in SHAPES.items()
    ]
    return [str(colour_model.write_split(tmp_path, stored))]


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_every_image_gets_its_own_detections_whatever_the_batch(
    model, files, colour_model, batch_size
):
    results = predictor.score_images(model, files, 3, batch_size, "Test")
    expected = {
        (number, shape[0]): colour_model.box_mask((32, 32), *shape[1:])
        for number, shapes in SHAPES.items()
        for shape in shapes
    }
    sure = [each for each in results if each["score"] > 0.5]
    found = {(each["image_id"], each["category_id"]): each for each in sure}
    assert len(sure) == 3 and set(found) == set(expected)
    for key, mask in expected.items():
        drawn = coco_mask.decode(found[key]["segmentation"])
        assert (drawn == mask).all()
        top = 8 if key[1] == 3 else 20
        assert found[key]["bbox"] == pytest.approx([0, top, 32, 8])


def test_no_files_give_no_results(model):
    assert predictor.score_images(model, [], 0, 2, "Test") == []


def test_only_the_wanted_images_are_asked_about(model, files):
    results = predictor.score_images(model, files, 2, 2, "Test", image_ids=[8, 6])
    assert {each["image_id"] for each in results if each["score"] > 0.5} == {8}
    assert 40 not in {each["image_id"] for each in results}
