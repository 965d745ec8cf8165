import numpy as np
import pytest
import tensorflow as tf

from components.serving_validator import stored_values, validation


@pytest.fixture
def stored(tmp_path):
    """Saves a model with two variables of these values."""

    def save(*values):
        module = tf.Module()
        module.kernel = tf.Variable(np.float32(values[0]), name="head/kernel")
        module.other = tf.Variable(np.float32(values[1]), name="head/bias")
        module.count = tf.Variable(3, name="count")
        tf.saved_model.save(module, str(tmp_path / "model"))
        return tmp_path / "model"

    return save


def test_finite_values_are_no_fault(stored):
    assert stored_values.find_fault(stored([1.0, 3e38], [0.0])) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named_by_its_variable(stored, value):
    fault = stored_values.find_fault(stored([1.0, value], [0.0]))
    assert fault.startswith("1 variables hold values that are not finite: head/kernel.")


def test_values_that_cannot_be_read_are_a_fault(stored):
    model = stored([1.0], [0.0])
    for path in (model / "variables").glob("*.index"):
        path.write_bytes(path.read_bytes()[:40])
    assert stored_values.find_fault(model).startswith("the stored variables cannot be")


def test_a_model_without_variables_has_none_to_look_at(tmp_path):
    assert stored_values.find_fault(tmp_path) is None


def test_such_a_model_is_refused_before_it_is_asked(tmp_path, colour_model):
    spoiled = colour_model.save(tmp_path / "1", [(np.nan, 0.0, 0.0)] * 3)
    pixels = colour_model.picture([(3, 8, 0, 8, 32)])
    record = colour_model.example(0, pixels, [(3, 8, 0, 8, 32)])
    file = str(colour_model.write_split(tmp_path / "eval", [record]))
    found = validation.validate(spoiled, [file], 1, timeout=120)
    assert not found.passed
    assert "values that are not finite" in found.reason
