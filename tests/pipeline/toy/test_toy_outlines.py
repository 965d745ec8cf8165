import numpy as np
from scipy import ndimage

from pipeline.toy import toy_outlines

EIGHT = np.ones([3, 3])  # the default joins over sides only


def random_masks():
    rng = np.random.default_rng(5)
    for _ in range(300):
        yield rng.random(rng.integers(1, 9, 2)) < rng.uniform(0.3, 0.95)


def inside(polygon, height, width):
    """Pixels whose centre has an odd number of upright sides to its left."""
    mask = np.zeros([height, width], bool)
    corners = np.reshape(polygon, [-1, 2])
    for (x, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        assert (x == x1) != (y0 == y1)
        if x == x1:
            mask[min(y0, y1) : max(y0, y1), x:] ^= True
    return mask


def test_one_pixel_gives_its_four_corners_clockwise():
    mask = np.zeros([3, 4], bool)
    mask[1, 2] = True
    assert toy_outlines.polygons(mask) == [[3, 1, 3, 2, 2, 2, 2, 1]]


def test_polygons_filled_by_brute_force_are_the_connected_parts():
    drawn = 0
    for mask in random_masks():
        polygons = toy_outlines.polygons(mask)
        if polygons is None:
            continue
        parts, count = ndimage.label(mask)
        filled = [inside(polygon, *mask.shape) for polygon in polygons]
        wanted = {(parts == part).tobytes() for part in range(1, count + 1)}
        assert len(filled) == count
        assert {part.tobytes() for part in filled} == wanted
        drawn += 1
    assert drawn > 100


def test_exactly_the_masks_with_an_enclosed_gap_have_no_polygons():
    refused = 0
    for mask in random_masks():
        _, regions = ndimage.label(np.pad(~mask, 1, constant_values=True), EIGHT)
        assert (toy_outlines.polygons(mask) is None) == (regions > 1)
        refused += regions > 1
    assert refused > 20


def test_an_empty_mask_has_no_polygon():
    assert toy_outlines.polygons(np.zeros([2, 3], bool)) == []
