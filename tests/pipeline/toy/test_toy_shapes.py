import numpy as np
import pytest
from scipy import ndimage

from pipeline.toy import toy_shapes

HEIGHT, WIDTH = 120, 160


def scene(seed, num_objects=4, with_crowd=False, with_bar=False):
    return toy_shapes.draw_scene(
        np.random.default_rng(seed),
        HEIGHT,
        WIDTH,
        num_objects=num_objects,
        with_crowd=with_crowd,
        with_bar=with_bar,
    )


@pytest.mark.parametrize("seed", range(8))
def test_a_pixel_belongs_to_one_thing_and_half_of_each_object_stays_visible(seed):
    _, things = scene(seed, num_objects=8, with_crowd=seed % 2 == 0)
    assert len(things) > 2
    assert sum(thing.visible.astype(int) for thing in things).max() == 1
    assert [thing.is_crowd for thing in things[:2]] == [seed % 2 == 0, False]
    for thing in things:
        assert thing.visible.sum() >= max(60, thing.full_area / 2)


@pytest.mark.parametrize("seed", range(8))
def test_only_pixels_of_the_masks_and_their_soft_edge_differ_from_the_background(seed):
    background, none = scene(seed, num_objects=0)
    picture, things = scene(seed, with_crowd=True)
    assert none == []
    assert picture.shape == (HEIGHT, WIDTH, 3)
    changed = (picture != background).any(axis=2)
    masks = np.any([thing.visible for thing in things], axis=0)
    # Half a pixel beyond two sides is more beyond their corner: 1.3 px at a triangle's.
    assert ndimage.distance_transform_edt(~masks)[changed].max() < 3
    assert changed[masks].mean() > 0.95


def test_whole_disks_fill_a_quarter_pi_of_their_box_and_triangles_at_most_half():
    shares = {name: [] for name in toy_shapes.CLASS_NAMES}
    for seed in range(60):
        _, things = scene(seed, num_objects=1)
        for thing in things:
            ys, xs = np.nonzero(thing.visible)
            if ys.min() > 0 and xs.min() > 0 and ys.max() < 119 and xs.max() < 159:
                box = (np.ptp(ys) + 1) * (np.ptp(xs) + 1)
                shares[thing.name].append(len(ys) / box)
    assert min(len(found) for found in shares.values()) >= 5
    np.testing.assert_allclose(shares["disk"], np.pi / 4, atol=0.03)
    assert max(shares["triangle"]) < 0.53  # half, and what whole pixels add
    assert max(shares["triangle"]) > 0.4


def test_a_bar_cuts_the_first_object_in_two():
    cut = 0
    for seed in range(20):
        _, things = scene(seed, num_objects=0, with_bar=True)
        if len(things) == 2:
            assert things[1].name == "box"
            assert ndimage.label(things[0].visible)[1] >= 2
            cut += 1
    assert cut >= 10
