import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.coco_example_gen.report import report_pictures
from model.examples import features, mask_rle

GREEN = (0, 255, 0)


def stored(height, width, *masks, crowd=()):
    """A record of a gray image with instances 1, 2, ... of bool [H, W]."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 90, 90)).save(buffer, format="PNG")
    runs = [mask_rle.runs_from_mask(mask) for mask in masks]
    example = tf.train.Example()
    feature = example.features.feature
    feature[features.IMAGE_ENCODED].bytes_list.value.append(buffer.getvalue())
    values = {
        features.IMAGE_HEIGHT: [height],
        features.IMAGE_WIDTH: [width],
        features.ANNOTATION_ID: range(1, len(masks) + 1),
        features.CATEGORY_ID: [4] * len(masks),
        features.IS_CROWD: [int(n in crowd) for n in range(1, len(masks) + 1)],
        features.NUM_RUNS: [each.size for each in runs],
        features.RUN_LENGTHS: np.concatenate([*runs, []]).astype(int).tolist(),
    }
    for key, numbers in values.items():
        feature[key].int64_list.value.extend(numbers)
    feature[features.CATEGORY_NAME].bytes_list.value.extend([b""] * len(masks))
    return example


def coloured(example, annotation_id=None):
    """Bool [H, W] of the thumbnail: what is not gray."""
    drawn = report_pictures.draw(example, {4: GREEN}, annotation_id)
    pixels = np.asarray(Image.open(io.BytesIO(drawn.jpeg))).astype(int)
    assert (drawn.height, drawn.width) == pixels.shape[:2]
    return np.ptp(pixels, axis=2) > 50


def rectangle(height, width, rows, columns):
    mask = np.zeros([height, width], bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize(("height", "width"), [(1200, 800), (800, 1200), (600, 401)])
def test_a_mask_covers_the_same_share_and_place_of_the_thumbnail(height, width):
    rows = slice(height // 4, height // 2)
    columns = slice(width // 2, width * 7 // 8)
    found = coloured(stored(height, width, rectangle(height, width, rows, columns)))
    assert max(found.shape) == 400
    scale = 400 / max(height, width)
    small = [round(edge * scale) for edge in (*_ends(rows), *_ends(columns))]
    top, bottom, left, right = small
    expected = np.zeros(found.shape, bool)
    expected[top:bottom, left:right] = True
    # JPEG blurs colour over a few pixels of the edge.
    assert (found != expected).mean() < 0.03
    assert found[top + 4 : bottom - 4, left + 4 : right - 4].all()


def _ends(part):
    return part.start, part.stop


def test_a_dot_smaller_than_a_pixel_of_the_thumbnail_is_shown():
    dot = rectangle(3000, 4000, slice(2990, 2993), slice(3995, 3998))
    found = coloured(stored(3000, 4000, dot))
    assert found.any()
    assert not found[:290].any()


def test_only_the_instance_concerned_is_drawn_and_crowds_only_then():
    left = rectangle(100, 200, slice(10, 90), slice(10, 90))
    right = rectangle(100, 200, slice(10, 90), slice(110, 190))
    example = stored(100, 200, left, right, crowd={2})

    def halves(annotation_id=None):
        found = coloured(example, annotation_id)
        middle = found.shape[1] // 2
        return bool(found[:, :middle].any()), bool(found[:, middle:].any())

    assert halves() == (True, False)
    assert halves(1) == (True, False)
    assert halves(2) == (False, True)
    assert halves(9) == (False, False)


def test_an_image_without_instances_is_drawn_as_it_is():
    assert not coloured(stored(50, 60)).any()
