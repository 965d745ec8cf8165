import numpy as np
import pytest
import tensorflow as tf

from model.kernels import row_parts


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    """Three rows of 4 bytes at a time."""
    monkeypatch.setattr(row_parts, "PART_BYTES", 12)


def _double_and_rank(rows):
    values, ranks = rows
    return 2.0 * values, ranks + 1


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 9])
@pytest.mark.parametrize("known", [True, False])
def test_any_number_of_rows_comes_back_in_order(count, known):
    values = np.arange(count, dtype=np.float32)[:, np.newaxis]
    ranks = np.arange(count, dtype=np.int32)
    rows = count if known else None

    @tf.function(
        input_signature=[
            tf.TensorSpec([rows, None], tf.float32),
            tf.TensorSpec([rows], tf.int32),
        ]
    )
    def run(values, ranks):
        signature = (tf.float32, tf.int32)
        return row_parts.in_parts(_double_and_rank, (values, ranks), 4, signature)

    doubled, following = run(values, ranks)
    np.testing.assert_array_equal(doubled, 2 * values)
    np.testing.assert_array_equal(following, ranks + 1)


def test_no_call_sees_more_rows_than_fit():
    seen = []

    def note(rows):
        seen.append(rows.shape[0])
        return rows

    row_parts.in_parts(note, tf.zeros([8, 2]), 4, tf.float32)
    assert seen and max(seen) <= 3


def test_a_row_larger_than_a_part_is_worked_on_alone():
    found = row_parts.in_parts(tf.negative, tf.range(5.0), 1000, tf.float32)
    np.testing.assert_array_equal(found, [0, -1, -2, -3, -4])


def test_parts_are_equally_long_where_some_number_of_them_is():
    # Three rows fit: of eight, four parts of two; of 27, nine parts of three.
    lengths = [row_parts.length(tf.zeros([count]), 4) for count in (0, 2, 3, 8, 27)]
    assert lengths == [0, 2, 3, 2, 3]


def test_a_few_parts_are_even_in_number_so_that_none_runs_alone():
    # Three rows fit: of seven and of ten, four parts; of two rows, one part.
    lengths = [row_parts.length(tf.zeros([count]), 4) for count in (7, 10, 2)]
    assert lengths == [2, 3, 2]
    # Twenty fit: ten parts of 14 instead of seven of 20; nine parts are many.
    lengths = [row_parts.length(tf.zeros([count]), 4, 80) for count in (140, 180)]
    assert lengths == [14, 20]
