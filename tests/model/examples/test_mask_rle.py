import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from model.examples import mask_rle

MASKS = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.integers(0, 1),
)


def encode(mask):
    return coco_mask.encode(np.asfortranarray(mask))


def test_runs_go_down_the_columns_and_begin_with_zeros():
    mask = np.array([[1, 0], [1, 1], [0, 1]], np.uint8)  # columns 1 1 0 | 0 1 1
    assert mask_rle.runs_from_mask(mask).tolist() == [0, 2, 2, 2]


@settings(deadline=None, max_examples=200)
@given(MASKS)
def test_every_mask_survives_all_forms_of_rle(mask):
    height, width = mask.shape
    runs = mask_rle.runs_from_mask(mask)
    reference = encode(mask)
    assert runs.dtype == np.int64 and runs.sum() == mask.size
    text = reference["counts"].decode()
    assert mask_rle.to_coco_rle(runs, height, width) == {
        "size": [height, width],
        "counts": text,
    }
    if not mask.any():
        return
    for counts in (runs.tolist(), text, reference["counts"], str(reference["counts"])):
        segmentation = {"size": [height, width], "counts": counts}
        read, dropped = mask_rle.runs_from_segmentation(segmentation, height, width)
        assert read.tolist() == runs.tolist() and dropped == 0


COORDINATES = st.floats(-6, 26, allow_nan=False).map(lambda value: round(value, 2))
POLYGONS = st.lists(
    st.lists(COORDINATES, min_size=6, max_size=14).filter(lambda p: len(p) % 2 == 0),
    min_size=1,
    max_size=3,
)


@settings(deadline=None, max_examples=300)
@given(POLYGONS, st.integers(1, 20), st.integers(1, 20))
def test_every_polygon_is_drawn_bit_for_bit_as_pycocotools_draws_it(
    polygons, height, width
):
    parts = coco_mask.frPyObjects(polygons, height, width)
    wanted = coco_mask.decode(coco_mask.merge(parts))
    try:
        runs, _ = mask_rle.runs_from_segmentation(polygons, height, width)
    except mask_rle.EmptyMaskError:
        assert not wanted.any()
        return
    rle = mask_rle.to_coco_rle(runs, height, width)
    np.testing.assert_array_equal(coco_mask.decode(rle), wanted)
    assert runs.tolist() == mask_rle.runs_from_mask(wanted).tolist()


@settings(deadline=None, max_examples=200)
@given(MASKS)
def test_area_and_box_are_those_of_pycocotools(mask):
    runs = mask_rle.runs_from_mask(mask)
    reference = encode(mask)
    assert mask_rle.area(runs) == coco_mask.area(reference) == mask.sum()
    box = mask_rle.box_xywh_px(runs, mask.shape[0])
    assert list(box) == coco_mask.toBbox(reference).tolist()


FAULTY = [
    None,
    "a text",
    [],
    [[0, 0, 5]],
    [0, 0, 5, 5, 0, 5],
    [[0, 0, 0, 0, 0, 0]],
    {"size": [1, 1], "counts": [1]},
    {"size": [9, 11], "counts": "~"},
]


@settings(deadline=None, max_examples=200)
@given(st.lists(POLYGONS | st.sampled_from(FAULTY), max_size=6), st.data())
def test_segmentations_read_together_are_those_read_one_by_one(segmentations, data):
    masks = st.lists(st.booleans(), min_size=99, max_size=99)
    pixels = np.array(data.draw(masks), np.uint8).reshape(9, 11)
    segmentations.append({"size": [9, 11], "counts": encode(pixels)["counts"]})
    together = mask_rle.runs_from_segmentations(segmentations, 9, 11)
    for segmentation, found in zip(segmentations, together, strict=True):
        try:
            runs, dropped = mask_rle.runs_from_segmentation(segmentation, 9, 11)
        except mask_rle.MaskError as error:
            assert (type(found), str(found)) == (type(error), str(error))
            continue
        assert (found[0].tolist(), found[1]) == (runs.tolist(), dropped)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5), st.data())
def test_masks_measured_together_have_the_numbers_of_pycocotools(
    height, width, count, data
):
    bits = st.lists(st.booleans(), min_size=height * width, max_size=height * width)
    masks = [
        np.array(data.draw(bits), np.uint8).reshape(height, width) for _ in range(count)
    ]
    runs = [mask_rle.runs_from_mask(mask) for mask in masks]
    areas, boxes = mask_rle.measure(runs, height)
    assert areas.tolist() == [coco_mask.area(encode(mask)) for mask in masks]
    assert boxes.tolist() == [coco_mask.toBbox(encode(mask)).tolist() for mask in masks]


def test_compressed_counts_of_a_large_mask_are_read_with_their_differences():
    rng = np.random.default_rng(0)
    mask = (rng.random([700, 900]) < 0.01).astype(np.uint8)
    mask[100:400, 200:800] = 1  # runs of more than one character
    text = encode(mask)["counts"].decode()
    segmentation = {"size": [700, 900], "counts": text}
    runs, _ = mask_rle.runs_from_segmentation(segmentation, 700, 900)
    assert runs.tolist() == mask_rle.runs_from_mask(mask).tolist()


def test_runs_of_zero_are_joined_away():
    segmentation = {"size": [2, 3], "counts": [1, 1, 0, 2, 2, 0]}
    runs, _ = mask_rle.runs_from_segmentation(segmentation, 2, 3)
    assert runs.tolist() == [1, 3, 2]


def test_polygons_are_drawn_as_pycocotools_draws_them_and_united():
    triangle = [1.0, 1.0, 8.5, 2.0, 4.0, 9.0]
    square = [6, 5, 11, 5, 11, 10, 6, 10]
    parts = coco_mask.frPyObjects([triangle, square], 12, 13)
    expected = coco_mask.decode(coco_mask.merge(parts))
    runs, dropped = mask_rle.runs_from_segmentation([triangle, square], 12, 13)
    assert runs.tolist() == mask_rle.runs_from_mask(expected).tolist()
    assert dropped == 0


@pytest.mark.parametrize(
    "degenerate",
    [
        [1, 1, 5, 5],
        [1, 1, 5, 5, 3],
        [1, 1, 1e9, 1, 5, 5],
        [1, 1, float("nan"), 1, 5, 5],
        [1, 1, 10**400, 1, 5, 5],
    ],
    ids=["two points", "odd length", "endless", "not a number", "beyond floats"],
)
def test_a_degenerate_polygon_is_left_out_beside_a_good_one(degenerate):
    good = [2, 2, 6, 2, 6, 6, 2, 6]
    runs, dropped = mask_rle.runs_from_segmentation([good, degenerate], 10, 10)
    assert mask_rle.area(runs) == 16
    assert dropped == 1
    with pytest.raises(mask_rle.EmptyMaskError, match="at least 3 points"):
        mask_rle.runs_from_segmentation([degenerate], 10, 10)


def test_a_polygon_outside_of_the_image_is_an_empty_mask():
    with pytest.raises(mask_rle.EmptyMaskError, match="covers no pixel"):
        mask_rle.runs_from_segmentation([[20, 20, 25, 20, 25, 25]], 10, 10)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [4, 5], "counts": [20]}, r"size \[4, 5\] is not .* \[5, 4\]"),
        ({"size": [5, 4], "counts": [3, 4]}, "sum to 7, .* 5 x 4 = 20 pixels"),
        ({"size": [5, 4], "counts": [10**15, 20]}, "1000000000000000, wanted 0 to 20"),
        ({"size": [5, 4], "counts": [25, -5]}, "range from -5 to 25"),
        ({"size": [5, 4], "counts": [10**30]}, "not a flat list of whole numbers"),
        ({"size": [5, 4], "counts": [1.5, 18.5]}, "not a flat list of whole numbers"),
        ({"size": [5, 4], "counts": [[20]]}, "not a flat list of whole numbers"),
        ({"size": [5, 4], "counts": "zz~"}, "character COCO does not use"),
        ({"size": [5, 4], "counts": "P"}, "middle of a number"),
        ({"size": [5, 4], "counts": "oooooooo0"}, "above 32 bits"),
        ({"size": [5, 4], "counts": None}, "counts are a NoneType"),
        ({"size": [5, 4], "counts": ""}, "sum to 0"),
        ({"size": [5, 4], "counts": "b'\\x'"}, "looks like Python bytes and is not"),
        ({"size": [5, 4], "counts": "\ud800"}, "character COCO does not use"),
        ({"size": [2**16, 2**16], "counts": [2**32]}, "is not the image's"),
        ("mask", "segmentation is a str"),
        ([1, 2, 3, 4, 5, 6], "a polygon is a int"),
    ],
)
def test_what_is_no_mask_of_the_image_is_refused(segmentation, message):
    with pytest.raises(mask_rle.MaskError, match=message):
        mask_rle.runs_from_segmentation(segmentation, 5, 4)


def test_to_coco_rle_refuses_runs_of_another_size():
    with pytest.raises(mask_rle.MaskError, match="sum to 6"):
        mask_rle.to_coco_rle(np.array([2, 4]), 5, 4)
