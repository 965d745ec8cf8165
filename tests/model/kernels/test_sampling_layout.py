import math

import numpy as np
import pytest
import tensorflow as tf

from model.kernels import sampling_layout

_SIZES = [(2, 3), (1, 2)]  # height, width
_HEADS, _POINTS, _CHANNELS = 2, 2, 3
_SAMPLES = _HEADS * len(_SIZES) * _POINTS
# Rows of an image: 2 heads of (2 + 4) * (3 + 4) and of (1 + 4) * (2 + 4) pixels.
_MAP_ROWS = [2 * 42, 2 * 30]


def _maps(batch=2):
    rng = np.random.default_rng(0)
    shape = [_HEADS, _CHANNELS]
    return [
        tf.constant(rng.normal(size=[batch, *size, *shape]).astype(np.float32))
        for size in _SIZES
    ]


@pytest.fixture
def maps():
    return _maps()


@pytest.fixture
def layout(maps):
    return sampling_layout.layout_of(maps, _HEADS, _POINTS)


def _table(maps):
    """All rows of all images, as numbers: image by image, map by map."""
    parts = [sampling_layout.bordered(level) for level in maps]
    return tf.concat(parts, axis=1).numpy().reshape(-1, _CHANNELS)


def _samples(x_px, y_px, weights, images=(0,)):
    image = tf.constant(images, tf.int32) * sum(_MAP_ROWS)
    numbers = [tf.constant(np.float32(each)) for each in (x_px, y_px, weights)]
    return sampling_layout.Samples(*numbers, image)


def _of_sample(number):
    """Head and map of a sample: heads first, then maps, then points."""
    return number // (len(_SIZES) * _POINTS), number // _POINTS % len(_SIZES)


def test_the_table_has_a_row_for_each_head_of_each_pixel_and_its_border(layout):
    assert [int(rows) for rows in layout.map_rows] == _MAP_ROWS
    assert int(layout.num_rows) == sum(_MAP_ROWS)
    assert len(_table(_maps())) == 2 * sum(_MAP_ROWS)


def test_samples_know_the_size_of_their_map_and_where_it_begins(layout):
    # A line of the maps has 3 + 4 and 2 + 4 pixels, and the first that is no border
    # lies 2 lines and 2 pixels behind the map's first row, head 1 a row further.
    assert layout.width.numpy().tolist() == [3, 3, 2, 2] * 2
    assert layout.height.numpy().tolist() == [2, 2, 1, 1] * 2
    assert layout.down.numpy().tolist() == [14, 14, 12, 12] * 2
    starts = [2 * 14 + 4, 2 * 14 + 4, 84 + 2 * 12 + 4, 84 + 2 * 12 + 4]
    assert layout.first.numpy().tolist() == starts + [start + 1 for start in starts]


def test_the_first_row_of_a_sample_holds_its_heads_first_pixel(layout, maps):
    table = _table(maps)
    for image in range(2):
        for number, first in enumerate(layout.first.numpy()):
            head, level = _of_sample(number)
            found = table[image * sum(_MAP_ROWS) + first]
            np.testing.assert_array_equal(found, maps[level][image, 0, 0, head])


def test_the_border_is_zeros_and_inside_of_it_is_the_map(maps):
    found = sampling_layout.bordered(maps[0]).numpy()
    found = found.reshape(2, 6, 7, _HEADS, _CHANNELS)
    np.testing.assert_array_equal(found[:, 2:4, 2:5], maps[0])
    found[:, 2:4, 2:5] = 0
    assert not found.any()


def test_rows_and_weights_of_any_sample_add_up_to_the_bilinear_formula(layout, maps):
    rng = np.random.default_rng(1)
    tokens = 40
    x_px = rng.uniform(-4, 7, [tokens, _SAMPLES])
    y_px = rng.uniform(-4, 6, [tokens, _SAMPLES])
    x_px[:5], y_px[:3] = np.round(x_px[:5]), np.round(y_px[:3])
    weights = rng.uniform(size=[tokens, _SAMPLES])
    images = np.arange(tokens) % 2
    samples = _samples(x_px, y_px, weights, images)
    rows, shares = sampling_layout.entries(
        layout, sampling_layout.around(layout, samples)
    )
    assert rows.shape == shares.shape == (tokens * _HEADS, 4 * _SAMPLES // _HEADS)
    found = (_table(maps)[rows.numpy()] * shares.numpy()[..., np.newaxis]).sum(axis=1)
    wanted = np.zeros([tokens, _HEADS, _CHANNELS])
    for token, number in np.ndindex(tokens, _SAMPLES):
        head, level = _of_sample(number)
        x, y = x_px[token, number], y_px[token, number]
        for row, column in np.ndindex(*_SIZES[level]):
            near = max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column))
            pixel = maps[level][images[token], row, column, head].numpy()
            wanted[token, head] += weights[token, number] * near * pixel
    np.testing.assert_allclose(
        found.reshape(tokens, _HEADS, _CHANNELS), wanted, atol=1e-5
    )


def test_a_quarter_to_the_right_and_three_down_weighs_the_corners_by_area():
    cells = sampling_layout.Cells(
        tf.constant([0]), *(tf.constant([each]) for each in (0.25, 0.75, 16.0))
    )
    found = [float(each[0]) for each in sampling_layout.corner_weights(cells)]
    # Upper left, upper right, lower left, lower right: of 16 squares.
    assert found == [3, 1, 9, 3]


@pytest.mark.parametrize("far", [2.5, 1e9, -1e9, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_no_place_leads_out_of_the_rows_of_its_own_map(layout, far, axis):
    near = np.zeros([1, _SAMPLES])
    places = (near + far, near) if axis == "x" else (near, near + far)
    cells = sampling_layout.around(layout, _samples(*places, near + 1, [1]))
    rows, _ = sampling_layout.entries(layout, cells)
    rows = rows.numpy().reshape(_HEADS, 4, -1) - sum(_MAP_ROWS)  # of the second image
    for head, level in np.ndindex(_HEADS, len(_SIZES)):
        own = rows[head][:, level * _POINTS : (level + 1) * _POINTS]
        before = sum(_MAP_ROWS[:level])
        assert own.min() >= before
        assert own.max() < before + _MAP_ROWS[level]
        assert set(own.ravel() % _HEADS) == {head}


def test_no_number_stays_in_a_map_whose_lines_have_an_odd_number_of_rows():
    # The index of NaN is -2^31 on a CPU, of which an even multiple overflows to 0.
    layout = sampling_layout.layout_of([tf.zeros([1, 2, 3, 1, 4])], 1, 1)
    nothing, zero = tf.constant([[math.nan]]), tf.zeros([1, 1])
    for places in ((nothing, zero), (zero, nothing)):
        samples = sampling_layout.Samples(*places, zero + 1, tf.constant([0]))
        cells = sampling_layout.around(layout, samples)
        rows, _ = sampling_layout.entries(layout, cells)
        assert rows.numpy().min() >= 0 and rows.numpy().max() < 6 * 7


def test_a_place_that_is_no_number_has_shares_that_are_none(layout):
    near = np.zeros([1, _SAMPLES])
    cells = sampling_layout.around(layout, _samples(near + math.nan, near, near + 1))
    assert np.isnan(cells.right).all()
    assert np.array_equal(cells.below, near)


def test_maps_whose_size_is_open_give_the_same_layout(layout):
    spec = tf.TensorSpec([None, None, None, _HEADS, _CHANNELS])

    @tf.function(input_signature=[spec, spec])
    def traced(first, second):
        return sampling_layout.layout_of([first, second], _HEADS, _POINTS)

    for found, wanted in zip(traced(*_maps()), layout, strict=True):
        np.testing.assert_array_equal(found, wanted)
