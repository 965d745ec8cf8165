import base64
import io
import math
import re

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageDraw

from components.coco_example_gen.read import labelme_shapes
from model.examples import mask_rle

HEIGHT, WIDTH = 40, 50
TRIANGLE = [[5, 5], [25, 5], [5, 30]]
NUMBERED = r"(.+?)[_-]\d+"


def shape(label="car", points=(), shape_type="polygon", **others):
    return {"label": label, "points": points, "shape_type": shape_type, **others}


def read(shapes, pattern=None, height=HEIGHT, width=WIDTH):
    """Returns class names, masks and reported problems."""
    reported = []
    rows = [msgspec.Raw(msgspec.json.encode(each)) for each in shapes]
    found = labelme_shapes.instances(
        rows,
        height,
        width,
        re.compile(pattern) if pattern else None,
        lambda kind, message: reported.append((kind, message)),
    )
    masks = [draw(each.segmentation, height, width) for each in found]
    return [each.class_name for each in found], masks, reported


def draw(segmentation, height=HEIGHT, width=WIDTH):
    decoded = msgspec.json.decode(segmentation)
    runs, _ = mask_rle.runs_from_segmentation(decoded, height, width)
    columns = np.repeat(np.arange(runs.size) % 2, runs)
    return columns.reshape(width, height).T.astype(bool)


def encoded(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8) * 255).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def box(left, top, right, bottom):
    """Half open, as pixels are counted."""
    expected = np.zeros([HEIGHT, WIDTH], bool)
    expected[top:bottom, left:right] = True
    return expected


@pytest.mark.parametrize(
    "points",
    [
        [[4, 6], [20, 30]],
        [[20, 30], [4, 6]],
        [[4, 30], [20, 6]],
        [[4, 6], [20, 6], [20, 30], [4, 30]],
    ],
)
def test_a_rectangle_is_its_corners_in_any_order(points):
    _, (mask,), reported = read([shape(points=points, shape_type="rectangle")])
    np.testing.assert_array_equal(mask, box(4, 6, 20, 30))
    assert reported == []


def test_a_polygon_covers_what_pillow_draws_but_for_its_outline():
    _, (mask,), _ = read([shape(points=TRIANGLE)])
    canvas = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(canvas).polygon([tuple(p) for p in TRIANGLE], fill=1)
    differing = np.argwhere(np.asarray(canvas) != mask)
    # The long side runs through (25, 5) and (5, 30); Pillow fills its pixels wholly.
    for y, x in differing:
        on_side = abs((x - 25) * 25 + (y - 5) * 20) / math.hypot(25, 20) < 1.5
        assert on_side or x in (5, 25) or y in (5, 30)
    assert mask.sum() == pytest.approx(20 * 25 / 2, abs=13)


@pytest.mark.parametrize("radius", [0.8, 4.0, 15.5, 300.0])
def test_a_circle_is_exact_to_less_than_a_pixel(radius):
    size = int(2 * radius + 8)
    centre = size / 2 + 0.25
    rim = [centre + radius * math.cos(1.0), centre - radius * math.sin(1.0)]
    circle = shape(points=[[centre, centre], rim], shape_type="circle")
    _, (mask,), _ = read([circle], height=size, width=size)
    y, x = np.mgrid[:size, :size] + 0.5
    distance = np.hypot(x - centre, y - centre)
    assert mask[distance < radius - 1].all()
    assert not mask[distance > radius + 1].any()


def test_a_circles_polygon_stays_a_tenth_of_a_pixel_inside():
    rows = [
        msgspec.Raw(
            msgspec.json.encode(
                shape(points=[[0, 0], [radius, 0]], shape_type="circle")
            )
        )
        for radius in (10, 1000)
    ]
    small, large = (
        np.reshape(msgspec.json.decode(each.segmentation)[0], [-1, 2])
        for each in labelme_shapes.instances(rows, 9, 9, None, lambda *_: None)
    )
    assert (len(small), len(large)) == (23, 223)
    middles = (large + np.roll(large, 1, axis=0)) / 2
    assert 999.9 <= np.linalg.norm(middles, axis=1).min() < 1000


@pytest.mark.parametrize("left", [0, 7, WIDTH - 9])
def test_a_mask_shape_is_its_png_inside_its_box(left):
    pixels = np.random.default_rng(0).random([11, 9]) < 0.5
    pixels[0, 0] = True
    top = 13
    points = [[left + 0.0, top + 0.0], [left + 8.0, top + 10.0]]
    _, (mask,), reported = read(
        [shape(points=points, shape_type="mask", mask=encoded(pixels))]
    )
    expected = np.zeros([HEIGHT, WIDTH], bool)
    expected[top : top + 11, left : left + 9] = pixels
    np.testing.assert_array_equal(mask, expected)
    assert reported == []


def test_a_group_joins_shapes_of_one_class():
    first = shape(points=[[1, 1], [5, 5]], shape_type="rectangle", group_id=0)
    other = shape("bus", [[7, 7], [9, 9]], "rectangle", group_id=0)
    second = shape(points=[[10, 20], [15, 30]], shape_type="rectangle", group_id=0)
    alone = shape(points=[[30, 30], [35, 35]], shape_type="rectangle")
    names, masks, _ = read([first, other, second, alone, alone])
    assert names == ["car", "bus", "car", "car"]
    np.testing.assert_array_equal(masks[0], box(1, 1, 5, 5) | box(10, 20, 15, 30))


def test_a_group_of_a_mask_and_a_polygon_is_their_union():
    pixels = np.ones([6, 4], bool)
    pixels[2, 2] = False
    mask = shape(
        points=[[2, 3], [5, 8]], shape_type="mask", mask=encoded(pixels), group_id=4
    )
    corner = shape(points=[[0, 0], [3, 4]], shape_type="rectangle", group_id=4)
    outside = shape(points=[[90, 90], [95, 95]], shape_type="rectangle", group_id=4)
    names, (found,), reported = read([mask, corner, outside])
    expected = box(0, 0, 3, 4)
    expected[3:9, 2:6] |= pixels
    np.testing.assert_array_equal(found, expected)
    assert names == ["car"]
    assert reported == [("shape_unusable", "shapes[2] 'car': the mask covers no pixel")]


def test_numbered_labels_are_one_class_and_equal_ones_one_instance():
    def at(label, x):
        return shape(label, [[x, 1], [x + 3, 5]], "rectangle")

    shapes = [at("car_1", 1), at("car_2", 10), at("car_1", 20), at("car", 30)]
    shapes += [at("car", 40), at("traffic  light-12", 45)]
    names, masks, _ = read(shapes, NUMBERED)
    assert names == ["car", "car", "car", "car", "traffic light"]
    np.testing.assert_array_equal(masks[0], box(1, 1, 4, 5) | box(20, 1, 23, 5))
    assert len(set(read(shapes)[0])) == 4  # without the pattern each is a class


def test_a_pattern_that_leaves_a_blank_class_does_not_match():
    names, _, reported = read([shape(" _1", TRIANGLE)], r"(.*)_\d+")
    assert (names, reported) == (["_1"], [])


def unusable(**changes):
    return {**shape(points=TRIANGLE), **changes}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (unusable(points=[]), "shapes[0] 'car': has 0 point(s), a polygon needs 3"),
        (unusable(points=None), "Expected array, got null - at $.points"),
        ({"label": "car"}, "Object missing required field points"),
        (unusable(points=[[1, "2"]]), "Expected float, got str - at $.points[0][1]"),
        (unusable(points=[[1, 2, 3]]), "Expected array of length 2"),
        (unusable(label=7), "Expected str, got int - at $.label"),
        (unusable(label=" "), "the label is empty"),
        (unusable(shape_type="cuboid"), "shape_type 'cuboid' is not one of"),
        (unusable(shape_type="rectangle"), "has 3 point(s), a rectangle needs 2"),
        (
            unusable(shape_type="circle", points=[[5, 5], [5, 5]]),
            "has a radius of 0 px",
        ),
        (
            unusable(shape_type="circle", points=[[5, 5], [1e300, 5]]),
            "has a radius of 1e+300 px",
        ),
    ],
)
def test_an_unusable_shape_is_left_out_and_told_by_its_number(row, message):
    usable = shape(points=TRIANGLE)
    names, _, reported = read([row, usable])
    assert names == ["car"]
    ((kind, told),) = reported
    assert kind == "shape_unusable"
    assert told.startswith("shapes[0]")
    assert message in told


@pytest.mark.parametrize(
    ("points", "mask", "message"),
    [
        ([[44, 3], [50, 5]], encoded(np.ones([3, 7])), "x 44 to 50"),
        ([[-1, 3], [5, 5]], encoded(np.ones([3, 7])), "leaves the picture of 50 x 40"),
        ([[4, 3], [5, 5]], None, "has no mask"),
        ([[4, 3], [5, 5]], "no base64!", "its mask is not base64"),
        ([[4, 3], [5, 5]], base64.b64encode(b"GIF89a").decode(), "is no PNG"),
        ([[4, 3], [5, 5]], encoded(np.ones([3, 2]))[:40], "its mask is no"),
        (
            [[4, 3], [5, 5]],
            encoded(np.ones([9000, 9000])),
            "its mask has 9000 x 9000 px, its box 2 x 3",
        ),
    ],
)
def test_a_mask_shape_that_cannot_be_its_box_is_left_out(points, mask, message):
    row = shape(points=points, shape_type="mask", mask=mask)
    names, _, reported = read([row])
    assert names == []
    assert message in reported[0][1]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (shape(points=[[3, 3]], shape_type="point"), "shape_without_area"),
        (shape(points=TRIANGLE, shape_type="linestrip"), "shape_without_area"),
        (shape(points=TRIANGLE[:2], shape_type="line"), "shape_without_area"),
        (shape("__ignore__", TRIANGLE), "shape_of_no_class"),
        (shape("_background_", TRIANGLE), "shape_of_no_class"),
    ],
)
def test_shapes_that_are_no_instances_are_left_out_and_told(row, kind):
    names, _, reported = read([row])
    assert names == []
    assert [each[0] for each in reported] == [kind]
