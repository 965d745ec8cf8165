"""Against attention written out pixel by pixel in NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from model.network import window_attention

pytestmark = pytest.mark.onednn

CHANNELS, HEADS, WINDOW = 6, 2, 4


def layer(shift, seed=5, **kwargs):
    """With weights none of which is what it starts from."""
    made = window_attention.WindowAttention(CHANNELS, HEADS, WINDOW, shift, **kwargs)
    made.build((None, None, None, CHANNELS))
    random = np.random.default_rng(seed)
    for weight in made.weights:
        weight.assign(random.normal(size=weight.shape))
    return made


def called(made, pixels):
    pixels = tf.constant(pixels, tf.float32)
    size = window_attention.sides(pixels)
    apart = window_attention.apart_by_shift(*size, made.window, made.shift)
    return made(pixels, apart if made.shift else None).numpy()


def _placed(height, width, shift):
    """Of each pixel of the padded map: place after the shift, and what was wrapped."""
    rows, columns = (-(-side // WINDOW) * WINDOW for side in (height, width))
    for row, column in itertools.product(range(rows), range(columns)):
        place = (row - shift) % rows, (column - shift) % columns
        yield (row, column), place, (row < shift, column < shift)


def _by_hand(made, pixels):
    """The attention of one image [H, W, C], float64."""
    height, width, _ = pixels.shape
    placed = list(_placed(height, width, made.shift))
    sides = [max(pixel[axis] for pixel, _, _ in placed) + 1 for axis in (0, 1)]
    padded = np.zeros([*sides, CHANNELS])
    padded[:height, :width] = pixels
    query, key, value = (
        padded @ each.kernel.numpy() + each.bias.numpy() for each in made.inputs
    )
    size, table = CHANNELS // HEADS, made.relative_position_bias.numpy()
    found = np.zeros_like(padded)
    for pixel, place, wrapped in placed:
        window = [side // WINDOW for side in place]
        seen = [
            (other, np.subtract(place, its_place))
            for other, its_place, its_wrapped in placed
            if [side // WINDOW for side in its_place] == window
            and (its_wrapped == wrapped or not made.shift)
        ]
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            scores = np.array(
                [
                    query[pixel][part] @ key[other][part] / np.sqrt(size)
                    + table[(down + 3) * 7 + right + 3, head]
                    for other, (down, right) in seen
                ]
            )
            probs = np.exp(scores - scores.max())
            looked_up = np.array([value[other][part] for other, _ in seen])
            found[pixel][part] = probs @ looked_up / probs.sum()
    output = made.output_projection
    return (found @ output.kernel.numpy() + output.bias.numpy())[:height, :width]


@pytest.mark.parametrize("shift", [0, 2, 1])
@pytest.mark.parametrize("sides", [(8, 12), (4, 4), (5, 7), (3, 9), (1, 2)])
def test_pixels_see_their_window_and_what_was_next_to_them(shift, sides):
    made = layer(shift)
    pixels = np.random.default_rng(1).normal(size=(2, *sides, CHANNELS))
    for found, image in zip(called(made, pixels), pixels, strict=True):
        np.testing.assert_allclose(found, _by_hand(made, image), atol=1e-4)


@pytest.mark.parametrize("shift", [0, 2])
def test_sizes_known_only_when_run_give_the_same(shift):
    made = layer(shift)
    call = tf.function(
        lambda pixels: made(
            pixels,
            window_attention.apart_by_shift(
                *window_attention.sides(pixels), WINDOW, shift
            )
            if shift
            else None,
        ),
        input_signature=[tf.TensorSpec([None, None, None, CHANNELS])],
    )
    for sides in ((8, 8), (5, 6)):
        pixels = np.random.default_rng(2).normal(size=(2, *sides, CHANNELS))
        found = call(tf.constant(pixels, tf.float32))
        np.testing.assert_allclose(found, called(made, pixels), atol=1e-5)


def test_every_weight_gets_a_dense_gradient():
    made = layer(2)
    apart = window_attention.apart_by_shift(5, 7, WINDOW, 2)
    pixels = tf.random.stateless_normal([1, 5, 7, CHANNELS], [0, 1])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(made(pixels, apart) ** 3)
    weights = [weight.value for weight in made.trainable_weights]
    for weight, gradient in zip(
        made.trainable_weights, tape.gradient(loss, weights), strict=True
    ):
        # An optimizer that scales gradients wants no slices.
        assert isinstance(gradient, tf.Tensor), weight.path
        assert float(tf.reduce_max(tf.abs(gradient))) > 0, weight.path


def test_bfloat16_is_float32_within_its_precision():
    full, half = layer(2), layer(2, dtype="mixed_bfloat16")
    pixels = np.random.default_rng(3).normal(size=(2, 6, 6, CHANNELS))
    high = called(full, pixels)
    low = half(tf.constant(pixels, tf.float32), None)
    assert low.dtype == tf.bfloat16
    low = half(
        tf.constant(pixels, tf.float32),
        window_attention.apart_by_shift(6, 6, WINDOW, 2),
    )
    gap = np.linalg.norm(low.numpy().astype(np.float32) - high) / np.linalg.norm(high)
    assert 0 < gap < 0.05


def test_places_are_numbered_by_rows_then_columns_between_query_and_key():
    places = window_attention.relative_places(2).reshape(4, 4)
    # Pixels of a window of 2: above left 0, above right 1, below left 2, below right 3.
    assert places[0, 0] == 4  # 3 x 3 offsets, the middle one
    assert places[1, 0] == 5  # the query is one column further right
    assert places[2, 0] == 7  # one row below
    assert places[0, 3] == 0
    assert places.max() == 8


def test_only_windows_at_the_end_hold_pixels_that_are_apart():
    apart = window_attention.apart_by_shift(8, 12, WINDOW, 2).numpy()
    assert apart.shape == (6, 16, 16)
    # Of 2 x 3 windows, row by row: the last column, the last row.
    assert [bool(each.any()) for each in apart] == [False, False, True] + [True] * 3
    corner = apart[5]  # four parts of 4 pixels: each sees its own
    assert (~corner).sum() == 4 * 4 * 4


def test_windows_and_map_are_each_others_reverse():
    pixels = tf.random.stateless_normal([2, 8, 12, 3], [0, 1])
    windows = window_attention.windows_of(pixels, WINDOW)
    np.testing.assert_array_equal(tf.reshape(windows[1], [4, 4, 3]), pixels[0, :4, 4:8])
    tf.debugging.assert_equal(window_attention.map_of(windows, 8, 12, WINDOW), pixels)


def test_zeros_are_added_below_and_to_the_right_only():
    pixels = tf.ones([1, 3, 4, 1])
    assert window_attention.padded_to(pixels, 1) is pixels
    padded = window_attention.padded_to(pixels, 4)
    assert padded.shape == (1, 4, 4, 1)
    np.testing.assert_array_equal(padded[0, :, :, 0], [[1] * 4] * 3 + [[0] * 4])
