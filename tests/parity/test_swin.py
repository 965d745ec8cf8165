"""Swin Mask2Former against Hugging Face's, by numbers of tools/make_parity_fixtures.py.

The backbone has its full width; its weights are drawn again, not stored.
"""

import json
import pickle
import re

import numpy as np
import pytest

from model import config
from model.weights import tensor_files, weights_architecture
from pipeline.tools import weights_conversion

pytestmark = pytest.mark.onednn


def worst(rows, allowed):
    rows = list(rows)
    assert rows
    return [row for row in rows if not row.deviation <= allowed]


def assert_equal_weights(found, expected):
    for weight, other in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(weight, other, err_msg=weight.path)


@pytest.fixture(scope="module")
def reference(fixtures):
    with np.load(fixtures / "swin" / "reference.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def state(tools, fixtures, reference):
    """All weights by the names of today's library."""
    shapes = json.loads((fixtures / "swin" / "shapes.json").read_text())
    return tools["seeded_weights"].draw(shapes, int(reference["seed"]))


@pytest.fixture(scope="module")
def network(tools, state, tmp_path_factory):
    """Ours, with the weights by the names of published files."""
    published = tools["authors_names"].hugging_face_published
    path = tmp_path_factory.mktemp("swin") / "model.safetensors"
    weights = {published(n): v for n, v in state.items() if "swin.layernorm" not in n}
    tensor_files.write(path, weights, {})
    return tools["our_model"].load_network(path)


@pytest.fixture(scope="module")
def ours(tools, network, reference):
    return tools["our_model"].run(network, reference)


def test_the_checkpoint_is_that_of_a_swin_tiny(network):
    backbone = config.BackboneConfig(name="swin_tiny")
    assert network.model_config.backbone == backbone
    assert network.model_config.decoder.num_layers == 9


def test_stages_and_pixel_decoder_equal_the_reference(compare, reference, ours):
    rows = list(compare.feature_rows(reference, ours))
    assert sum(row.name.startswith("backbone/") for row in rows) == 4
    assert worst(rows, 2e-5) == []


def test_all_ten_class_and_mask_predictions_equal_the_reference(
    compare, reference, ours
):
    rows = list(compare.prediction_rows(reference, ours))
    assert len(rows) == 20
    assert worst(rows, 1e-4) == []
    assert 1.0 < reference["class_logits"].std() < 10.0
    assert 1.0 < reference["mask_logits"].std() < 10.0


def test_losses_and_gradients_down_to_the_patches_equal_the_reference(
    compare, reference, ours
):
    assert worst(compare.loss_rows(reference, ours), 5e-5) == []
    gradients = [name for name in reference if name.startswith("gradient/")]
    for part in ("patch_embeddings", "relative_position_bias_table", "downsample"):
        assert any(part in name for name in gradients)
    assert worst(compare.gradient_rows(reference, ours), 1e-3) == []


def test_images_of_any_size_give_the_features_of_the_reference(network, reference):
    assert reference["odd/images"].shape == (1, 75, 61, 3)
    found = network.backbone(reference["odd/images"])
    assert [tuple(each.shape[1:3]) for each in found] == [
        (19, 16),
        (10, 8),
        (5, 4),
        (3, 2),
    ]
    for stage, feature in enumerate(found, start=2):
        wanted = reference[f"odd/res{stage}"]
        np.testing.assert_allclose(feature, wanted, atol=2e-5 * np.abs(wanted).max())


def test_names_of_todays_library_lead_to_the_same_weights(
    tools, network, state, tmp_path
):
    path = tmp_path / "model.safetensors"
    tensor_files.write(path, state, {})
    assert_equal_weights(tools["our_model"].load_network(path), network)


def test_the_authors_names_lead_to_the_same_weights(tools, network, state, tmp_path):
    with_loss = {**state, "criterion.empty_weight": np.ones(6, np.float32)}
    renamed = tools["authors_names"].rename(with_loss)
    table = "backbone.layers.0.blocks.1.attn.relative_position_bias_table"
    assert table in renamed and "backbone.norm3.bias" in renamed
    index = table.replace("bias_table", "index")
    renamed[index] = np.zeros([49, 49], np.int64)  # published files have it
    path = tmp_path / "model_final.pkl"
    path.write_bytes(pickle.dumps({"model": renamed}, protocol=4))
    assert_equal_weights(tools["our_model"].load_network(path), network)


def test_a_classifier_of_the_authors_is_a_backbone_with_norms_at_their_start(
    tools, network, state, tmp_path
):
    with_loss = {**state, "criterion.empty_weight": np.ones(6, np.float32)}
    renamed = tools["authors_names"].rename(with_loss)
    prefix = "backbone."
    alone = {
        name.removeprefix(prefix): value
        for name, value in renamed.items()
        if name.startswith(prefix) and not name.startswith("backbone.norm")
    }
    alone |= {"head.weight": np.zeros([9, 768], np.float32)}
    alone |= {"norm.weight": np.zeros(768, np.float32)}
    path, out = tmp_path / "swin.safetensors", tmp_path / "out.safetensors"
    tensor_files.write(path, alone, {})
    made = weights_conversion.convert(path, out)
    assert "swin: the backbone only, swin_tiny, 225 arrays" in str(made)
    assert any(
        "norms of the four features are not" in notice for notice in made.notices
    )
    assert not any("BY-NC" in notice for notice in made.notices)
    values, _ = tensor_files.read(out)
    assert set(values["backbone/stage_3/norm/gamma"]) == {1.0}
    assert set(values["backbone/stage_3/norm/beta"]) == {0.0}
    norms = re.compile(r"backbone/stage_\d/norm/")
    for weight in network.backbone.weights:
        name = weights_architecture.own_name(weight)
        if not norms.match(name):
            np.testing.assert_array_equal(values[name], weight, err_msg=name)
