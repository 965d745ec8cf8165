"""Names of weights; against the stored files, which other code reads."""

import json
import pathlib
import pickle

import numpy as np
import pytest
from safetensors import numpy as safetensors

FIXTURES = pathlib.Path(__file__).parents[1] / "parity" / "fixtures"
SELF_ATTENTION = "model.transformer_module.decoder.layers.0.self_attn"


@pytest.fixture(scope="module")
def names(tools):
    return tools["authors_names"]


@pytest.fixture(scope="module")
def state():
    return safetensors.load_file(FIXTURES / "network" / "model.safetensors")


@pytest.fixture(scope="module")
def renamed(names, state):
    return names.rename(state)


def test_every_weight_keeps_its_numbers_under_another_name(state, renamed):
    def total(weights):
        return sum(
            float(np.abs(value.astype(np.float64)).sum())
            for name, value in weights.items()
            if not name.endswith("num_batches_tracked")
        )

    assert total(renamed) == pytest.approx(total(state), rel=1e-12)


def test_the_stored_checkpoint_is_what_renaming_gives(renamed):
    content = (FIXTURES / "network" / "detectron2.pkl").read_bytes()
    stored = pickle.loads(content)["model"]  # noqa: S301  of this repository
    assert renamed.keys() == stored.keys()
    for name, value in renamed.items():
        np.testing.assert_array_equal(value, stored[name], err_msg=name)


def test_query_key_and_value_are_joined_in_this_order(state, renamed):
    joined = renamed[
        "sem_seg_head.predictor.transformer_self_attention_layers.0"
        ".self_attn.in_proj_weight"
    ]
    for part, rows in zip("qkv", np.split(joined, 3), strict=True):
        own = state[f"{SELF_ATTENTION}.{part}_proj.weight"]
        np.testing.assert_array_equal(rows, own)


@pytest.mark.parametrize(
    "published",
    [
        # From the authors' maskformer2_R50_bs16_50ep checkpoint.
        "backbone.stem.conv1.norm.running_mean",
        "backbone.res5.2.conv3.weight",
        "backbone.res2.0.shortcut.norm.weight",
        "sem_seg_head.pixel_decoder.adapter_1.norm.bias",
        "sem_seg_head.pixel_decoder.transformer.level_embed",
        "sem_seg_head.pixel_decoder.transformer.encoder.layers.1.linear2.weight",
        "sem_seg_head.predictor.transformer_ffn_layers.8.norm.bias",
        "sem_seg_head.predictor.transformer_cross_attention_layers.0"
        ".multihead_attn.in_proj_weight",
        "sem_seg_head.predictor.query_feat.weight",
        "sem_seg_head.predictor.mask_embed.layers.2.bias",
        "sem_seg_head.predictor.class_embed.weight",
    ],
)
def test_names_are_those_of_the_published_checkpoint(renamed, published):
    assert published in renamed


def test_a_weight_without_a_name_is_told(names, state):
    with pytest.raises(KeyError, match="no name for .*model.surplus.weight"):
        names.rename({**state, "model.surplus.weight": np.zeros(1)})


@pytest.mark.parametrize(
    ("hugging_face", "torchvision"),
    [
        ("resnet.embedder.embedder.convolution.weight", "conv1.weight"),
        ("resnet.embedder.embedder.normalization.bias", "bn1.bias"),
        ("resnet.encoder.stages.0.layers.1.layer.0.convolution.weight",)
        + ("layer1.1.conv1.weight",),
        ("resnet.encoder.stages.3.layers.0.layer.2.normalization.running_var",)
        + ("layer4.0.bn3.running_var",),
        ("resnet.encoder.stages.1.layers.0.shortcut.convolution.weight",)
        + ("layer2.0.downsample.0.weight",),
        ("resnet.encoder.stages.1.layers.0.shortcut.normalization.weight",)
        + ("layer2.0.downsample.1.weight",),
        ("classifier.1.weight", "fc.weight"),
    ],
)
def test_a_resnet_is_named_as_torchvision_does(names, hugging_face, torchvision):
    assert names.torchvision(hugging_face) == torchvision


def test_no_two_weights_of_a_resnet_get_one_name(names):
    own = safetensors.load_file(FIXTURES / "backbone" / "hugging_face.safetensors")
    stored = safetensors.load_file(FIXTURES / "backbone" / "torchvision.safetensors")
    assert sorted(map(names.torchvision, own)) == sorted(stored)


@pytest.mark.parametrize(
    ("inside", "authors", "published"),
    [
        # From the listings of the authors' and Hugging Face's Swin-T checkpoints.
        (
            "swin.embeddings.patch_embeddings.projection.weight",
            "patch_embed.proj.weight",
            "embeddings.patch_embeddings.projection.weight",
        ),
        (
            "swin.encoder.layers.2.blocks.5.attention.o_proj.bias",
            "layers.2.blocks.5.attn.proj.bias",
            "encoder.layers.2.blocks.5.attention.output.dense.bias",
        ),
        (
            "swin.encoder.layers.0.blocks.1.attention.relative_position_bias"
            ".relative_position_bias_table",
            "layers.0.blocks.1.attn.relative_position_bias_table",
            "encoder.layers.0.blocks.1.attention.self.relative_position_bias_table",
        ),
        (
            "swin.encoder.layers.3.blocks.0.mlp.fc2.weight",
            "layers.3.blocks.0.mlp.fc2.weight",
            "encoder.layers.3.blocks.0.output.dense.weight",
        ),
        (
            "swin.encoder.layers.1.downsample.reduction.weight",
            "layers.1.downsample.reduction.weight",
            "encoder.layers.1.downsample.reduction.weight",
        ),
        (
            "hidden_states_norms.stage4.bias",
            "norm3.bias",
            "hidden_states_norms.stage4.bias",
        ),
    ],
)
def test_a_swin_is_named_as_published_files_do(names, inside, authors, published):
    prefix = "model.pixel_level_module.encoder."
    shapes = json.loads((FIXTURES / "swin" / "shapes.json").read_text())
    assert names.hugging_face_published(prefix + inside) == prefix + published
    numbers = dict.fromkeys(shapes, 0) | {prefix + inside: 7}
    state = {name: np.array([number]) for name, number in numbers.items()}
    renamed = names.rename(state | {"criterion.empty_weight": np.zeros(1)})
    found = [name for name, value in renamed.items() if 7 in value]
    assert found == [f"backbone.{authors}"]
