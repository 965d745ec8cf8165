import numpy as np
import pytest

from model.network import swin
from model.weights import swin_rules


@pytest.mark.parametrize(
    "make", [lambda: swin_rules.authors(""), swin_rules.hugging_face]
)
def test_every_stage_has_its_blocks_and_all_but_the_first_half_the_size(make):
    ours = [layer for _, layer, _ in make()]
    assert len([layer for layer in ours if "/merging/" in layer]) == 3 * 2
    assert {layer.split("/")[1] for layer in ours} == {
        "stem",
        *(f"stage_{number}" for number in range(1, 5)),
    }
    blocks = [layer for layer in ours if "/block_" in layer]
    parts = {layer.rpartition("/")[2] for layer in blocks}
    assert parts >= {"attention_norm", "attention", "output", "feedforward_norm"}


def test_a_classifier_gets_norms_of_its_features_and_keeps_those_it_has():
    gamma = np.full(4, 0.5, np.float32)
    weights = {
        "backbone/stage_1/block_1/attention_norm/gamma": gamma,
        "backbone/stage_2/block_1/attention_norm/gamma": np.repeat(gamma, 2),
        "backbone/stage_2/norm/gamma": np.full(8, 3, np.float32),
    }
    found = swin_rules.with_feature_norms(weights)
    assert found.keys() - weights.keys() == {
        "backbone/stage_1/norm/gamma",
        "backbone/stage_1/norm/beta",
        "backbone/stage_2/norm/beta",
    }
    assert found["backbone/stage_1/norm/gamma"].tolist() == [1.0] * 4
    assert found["backbone/stage_2/norm/beta"].tolist() == [0.0] * 8
    assert found["backbone/stage_2/norm/gamma"].tolist() == [3.0] * 8


def test_a_size_has_a_name_only_if_all_of_it_fits():
    for name, size in swin.SIZES.items():
        assert swin_rules.name_of(size) == name
    assert swin_rules.name_of(swin.Size(96, (2, 2, 6, 2), (3, 6, 12, 24), 12)) is None


def test_a_swin_is_known_by_its_position_biases():
    name = "backbone/stage_1/block_0/attention/relative_position_bias"
    assert swin_rules.is_one({name: np.zeros([9, 1])})
    assert not swin_rules.is_one({"backbone/stem/conv/kernel": np.zeros([4])})
