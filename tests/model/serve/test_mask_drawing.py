import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from model.serve import mask_drawing

pytestmark = pytest.mark.onednn

draw = tf.function(
    mask_drawing.draw,
    input_signature=[
        tf.TensorSpec([None, None, None]),
        tf.TensorSpec([None, None]),
        tf.TensorSpec([None, None]),
    ],
)


def bilinear(size_in, size_out):
    """Weights of every output pixel, written out one by one."""
    weights = np.zeros([size_out, size_in], np.float32)
    for place in range(size_out):
        source = (place + 0.5) * size_in / size_out - 0.5
        source = min(max(source, 0.0), size_in - 1.0)
        low = int(source)
        high = min(low + 1, size_in - 1)
        weights[place, low] += 1.0 - (source - low)
        weights[place, high] += source - low
    return weights


def require_as_drawn_whole(logits, size):
    """Against the whole picture, pycocotools' run lengths and its boxes."""
    rows, columns = (
        bilinear(logits.shape[1], size[0]),
        bilinear(logits.shape[2], size[1]),
    )
    found = draw(logits, rows, columns)
    for index, each in enumerate(logits):
        whole = rows.astype(float) @ each.astype(float) @ columns.T.astype(float)
        inside = whole > 0.0
        clear = np.abs(whole) > 1e-5  # rounding may turn a pixel at 0 over
        counts = found.rle[index].numpy()
        drawn = coco_mask.decode({"size": list(size), "counts": counts})
        np.testing.assert_array_equal(drawn[clear] > 0, inside[clear])
        own = coco_mask.encode(np.asfortranarray(drawn))
        assert counts == own["counts"]
        assert found.boxes[index].numpy().tolist() == coco_mask.toBbox(own).tolist()
        if not drawn.any():
            assert found.quality[index].numpy() == 0.0
            continue
        wanted = (1.0 / (1.0 + np.exp(-whole[drawn > 0]))).mean()
        assert found.quality[index].numpy() == pytest.approx(wanted, rel=1e-5)


def rectangles(rng, count, height, width):
    """Anywhere, at the edges as well, on a ground that is clearly outside."""
    logits = rng.uniform(-3.0, -0.5, [count, height, width])
    for each in logits:
        top, bottom = np.sort(rng.integers(0, height + 1, 2))
        left, right = np.sort(rng.integers(0, width + 1, 2))
        each[top:bottom, left:right] *= -1.0
    return logits.astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_rectangles_are_drawn_as_in_the_whole_picture(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(each) for each in rng.integers(1, 14, 2))
    size = tuple(int(each) for each in rng.integers(1, 60, 2))
    require_as_drawn_whole(rectangles(rng, 12, height, width), size)


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_drawn_as_in_the_whole_picture(seed):
    rng = np.random.default_rng(seed)
    shape = [6, *rng.integers(2, 12, 2)]
    size = tuple(int(each) for each in rng.integers(1, 60, 2))
    require_as_drawn_whole(rng.normal(size=shape).astype(np.float32), size)


def test_what_touches_an_edge_and_what_fills_the_image():
    logits = np.full([8, 5, 7], -2.0, np.float32)
    logits[0] = 2.0  # all of it
    logits[1, :, 2:4] = 2.0  # full height, so that runs go on in the next column
    logits[2, :, 5:] = 2.0  # full height up to the last column
    logits[3, 3:] = 2.0  # the lowest rows
    logits[4, :2] = 2.0  # the uppermost rows
    logits[5, 4, 6] = 2.0  # the last pixel
    logits[6, 0, 0] = 2.0  # the first pixel; the eighth is empty
    require_as_drawn_whole(logits, (20, 33))


def test_two_parts_far_apart_are_one_mask():
    logits = np.full([1, 9, 9], -2.0, np.float32)
    logits[0, 1, 1] = logits[0, 7, 7] = 2.0
    require_as_drawn_whole(logits, (40, 50))


def test_no_masks_and_masks_of_nan_are_none():
    weights = bilinear(4, 8)
    none = draw(np.zeros([0, 4, 4], np.float32), weights, weights)
    assert none.rle.shape == (0,)
    assert none.boxes.shape == (0, 4)
    bad = draw(np.full([1, 4, 4], np.nan, np.float32), weights, weights)
    assert bad.quality.numpy().tolist() == [0.0]
    assert bad.boxes.numpy().tolist() == [[0.0] * 4]


def test_a_mask_does_not_depend_on_its_neighbours():
    rng = np.random.default_rng(5)
    logits = rectangles(rng, 6, 8, 9)
    weights = bilinear(8, 30), bilinear(9, 41)
    together = draw(logits, *weights)
    for index in range(len(logits)):
        alone = draw(logits[index : index + 1], *weights)
        for whole, part in zip(together, alone, strict=True):
            np.testing.assert_array_equal(whole[index], part[0])
