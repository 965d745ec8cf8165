"""The spread of drawn weights; that both sides draw the same: tests/parity."""

import numpy as np
import pytest

FIRST = np.float32([-0.16455078125, 0.1693115234375, -0.05511474609375])


@pytest.fixture(scope="module")
def drawn(tools):
    shapes = {
        "layers.0.attention.q_proj.weight": [64, 400],
        "layers.0.mlp.fc2.weight": [64, 400],
        "layers.0.norm.weight": [4000],
        "layers.0.norm.bias": [4000],
        "layers.0.attention.relative_position_bias_table": [169, 24],
        "patch.weight": [64, 4, 10, 10],
    }
    return tools["seeded_weights"].draw(shapes, 3)


@pytest.mark.parametrize(
    ("ending", "mean", "deviation"),
    [
        ("q_proj.weight", 0.0, 1 / 20),  # 1 / sqrt(inputs)
        ("patch.weight", 0.0, 1 / 20),
        ("fc2.weight", 0.0, 0.5 / 20),  # the last of a branch: half
        ("norm.weight", 1.0, 0.3 / np.sqrt(3)),
        ("norm.bias", 0.0, 0.1),
        ("bias_table", 0.0, 1.0),
    ],
)
def test_weights_are_spread_by_what_they_are(drawn, ending, mean, deviation):
    (values,) = (value for name, value in drawn.items() if name.endswith(ending))
    assert values.mean() == pytest.approx(mean, abs=0.05 * deviation)
    assert values.std() == pytest.approx(deviation, rel=0.05)


def test_half_the_bytes_hold_them_exactly(drawn):
    for value in drawn.values():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, value.astype(np.float16))


def test_a_weight_depends_on_its_name_and_the_seed_and_on_no_other(tools):
    draw = tools["seeded_weights"].draw
    alone = draw({"a.weight": [2, 3]}, 1)["a.weight"]
    both = draw({"b.weight": [2, 3], "a.weight": [2, 3]}, 1)
    np.testing.assert_array_equal(alone, both["a.weight"])
    assert not np.array_equal(alone, both["b.weight"])
    assert not np.array_equal(alone, draw({"a.weight": [2, 3]}, 2)["a.weight"])


def test_values_are_these_on_every_machine(tools):
    found = tools["seeded_weights"].draw({"a.bias": [3]}, 4)["a.bias"]
    np.testing.assert_array_equal(found, FIRST)
