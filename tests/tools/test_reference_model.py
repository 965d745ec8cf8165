"""The reference's weights and pictures, by what is stored of them."""

import pathlib

import numpy as np
import pytest
from safetensors import numpy as safetensors

FIXTURES = pathlib.Path(__file__).parents[1] / "parity" / "fixtures"


@pytest.fixture(scope="module")
def state():
    return safetensors.load_file(FIXTURES / "network" / "model.safetensors")


def test_no_weight_stays_at_a_value_that_would_hide_a_difference(state):
    # Ones, zeros and equal numbers: a layer that is left out would not be seen.
    same = {
        name
        for name, value in state.items()
        if value.size > 1 and len(np.unique(value)) < max(2, min(value.size, 8) // 2)
    }
    assert {name for name in same if name != "criterion.empty_weight"} == set()


def test_batch_statistics_and_norms_are_spread_within_their_range(state):
    for name, value in state.items():
        if name.endswith("running_var"):
            assert value.min() > 0.59 and value.max() < 1.41, name
        if name.endswith("normalization.weight"):
            assert value.min() > 0.34 and value.max() < 1.31, name


def test_half_the_bytes_hold_every_weight_exactly(state):
    kinds = {value.dtype for name, value in state.items() if "tracked" not in name}
    assert kinds == {np.dtype(np.float16)}
    assert all(np.isfinite(value).all() for value in state.values())


def test_the_decoder_has_nine_layers_though_its_configuration_says_ten(state, recorded):
    prefix = "model.transformer_module.decoder.layers."
    layers = {n.removeprefix(prefix).split(".")[0] for n in state if prefix in n}
    assert layers == {str(number) for number in range(9)}
    assert len(recorded["class_logits"]) == 10


def test_pictures_have_three_instances_then_two_and_ellipses_for_masks(recorded):
    assert recorded["targets/num_instances"].tolist() == [3, 2]
    masks = recorded["targets/masks"]
    for mask in masks[masks.any(axis=(2, 3))]:
        # Every row of an ellipse is one run.
        starts = np.diff(mask.astype(np.int8), axis=1, prepend=0) == 1
        assert starts.sum(axis=1).max() == 1
        assert mask.any(axis=1).sum() > 3


def test_pictures_have_both_signs_and_detail(recorded):
    images = recorded["images"]
    assert abs(images.mean()) < 0.5 < images.std()
    assert np.abs(np.diff(images, axis=2)).mean() > 0.1
