import numpy as np
import pytest

from model.evaluation import side_by_side
from model.serve import saved_model

NAMES = {3: "red thing", 22: "blue thing"}


def detections(colour_model, *rows):
    return saved_model.Detections(
        scores=np.array([score for _, _, score in rows], np.float32),
        category_ids=np.array([category for category, _, _ in rows], np.int64),
        class_names=[NAMES[category] for category, _, _ in rows],
        boxes=np.array([[0, 0, 16, 32]] * len(rows), np.float32).reshape(-1, 4),
        masks=[colour_model.rle(mask) for _, mask, _ in rows],
        image_size=(32, 64),
    )


@pytest.fixture
def left_half(colour_model):
    return colour_model.box_mask((32, 64), 0, 0, 32, 16)


def black(colour_model):
    return colour_model.encode_png(np.zeros((32, 64, 3), np.uint8))


def halves(picture):
    width = (picture.shape[1] - 4) // 2
    return picture[:, :width], picture[:, -width:]


def test_truth_is_on_the_left_and_what_was_found_on_the_right(colour_model, left_half):
    annotation = {
        "segmentation": colour_model.rle(left_half),
        "bbox": [0, 0, 16, 32],
        "category_id": 3,
    }
    nothing = detections(colour_model)
    truth, found = halves(
        side_by_side.draw(black(colour_model), [annotation], nothing, NAMES)
    )
    assert truth.shape == found.shape == (256, 512, 3)
    assert truth[200, 60].max() > 60 and not truth[200, 400].any()  # its quarter only
    assert not found.any()


def test_only_sure_detections_are_drawn_and_in_the_colour_of_their_class(
    colour_model, left_half
):
    unsure = detections(colour_model, (3, left_half, 0.4))
    _, found = halves(side_by_side.draw(black(colour_model), [], unsure, NAMES))
    assert not found.any()
    sure = detections(colour_model, (22, left_half, 0.9))
    annotation = {
        "segmentation": colour_model.rle(left_half),
        "bbox": [0, 0, 16, 32],
        "category_id": 22,
    }
    picture = side_by_side.draw(black(colour_model), [annotation], sure, NAMES)
    truth, found = halves(picture)
    np.testing.assert_array_equal(truth[200, 60], found[200, 60])
