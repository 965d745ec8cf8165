import re

import numpy as np
import pytest

from model.weights import weights_names, weights_rules


def test_a_convolution_becomes_height_width_in_out():
    value = np.random.default_rng(0).normal(size=[5, 3, 2, 4])  # [O, I, h, w]
    weights = {"layer2.1.conv3.weight": value}
    (item,) = weights_names.translate(
        weights, weights_rules.TORCHVISION
    ).weights.items()
    assert item[0] == "backbone/res3/block_1/conv_3/kernel"
    assert item[1].dtype == np.float32
    assert item[1][1, 2, 0, 4] == np.float32(value[4, 0, 1, 2])


def test_a_depthwise_convolution_becomes_height_width_channels_one():
    value = np.random.default_rng(0).normal(size=[5, 1, 3, 2])  # [C, 1, h, w]
    weights = {"_blocks.3._depthwise_conv.weight": value}
    found = weights_names.translate(weights, weights_rules.EFFICIENTNET_LITE0).weights
    kernel = found["backbone/stage_2/block_3/conv_depthwise/kernel"]
    assert kernel.shape == (3, 2, 5, 1)
    assert kernel[2, 1, 4, 0] == np.float32(value[4, 0, 2, 1])


@pytest.mark.parametrize(("blocks", "size"), [(16, 0), (21, 2)])
def test_the_smaller_efficientnet_is_recognised_though_the_larger_has_its_names(
    blocks, size
):
    names = [f"_blocks.{number}._bn1.weight" for number in range(blocks)]
    assert weights_names.recognise(names) == f"efficientnet_lite{size}"


def test_stacked_projections_become_query_key_and_value():
    stacked = np.arange(12.0).reshape(6, 2)  # three [2, 2], one below the other
    layer = "sem_seg_head.predictor.transformer_cross_attention_layers.4.multihead_attn"
    weights = {
        f"{layer}.in_proj_weight": stacked,
        f"{layer}.in_proj_bias": np.arange(6),
    }
    found = weights_names.translate(weights, weights_rules.DETECTRON2).weights
    ours = "decoder/block_4/cross_attention"
    np.testing.assert_array_equal(found[f"{ours}/query/kernel"], [[0, 2], [1, 3]])
    np.testing.assert_array_equal(found[f"{ours}/key/kernel"], [[4, 6], [5, 7]])
    np.testing.assert_array_equal(found[f"{ours}/value/kernel"], [[8, 10], [9, 11]])
    np.testing.assert_array_equal(found[f"{ours}/value/bias"], [4, 5])


def test_a_window_attention_of_the_authors_becomes_three_layers_and_a_table():
    layer = "backbone.layers.2.blocks.4.attn"
    weights = {
        f"{layer}.qkv.weight": np.arange(12.0).reshape(6, 2),
        f"{layer}.qkv.bias": np.arange(6),
        f"{layer}.relative_position_bias_table": np.arange(18.0).reshape(9, 2),
        f"{layer}.relative_position_index": np.zeros([4, 4], np.int64),
        "backbone.layers.2.blocks.5.attn_mask": np.zeros([4, 4, 4]),
    }
    mapped = weights_names.translate(weights, weights_rules.DETECTRON2)
    assert mapped.unknown == mapped.dropped == []
    ours = "backbone/stage_3/block_4/attention"
    found = mapped.weights
    assert len(found) == 3 * 2 + 1
    np.testing.assert_array_equal(found[f"{ours}/key/kernel"], [[4, 6], [5, 7]])
    np.testing.assert_array_equal(found[f"{ours}/value/bias"], [4, 5])
    table = found[f"{ours}/relative_position_bias"]
    np.testing.assert_array_equal(table, np.arange(18).reshape(9, 2))


def test_a_step_to_half_the_size_is_a_convolution_of_the_stage_it_makes():
    value = np.arange(32.0).reshape(4, 8)  # [O, I]
    weights = {"layers.1.downsample.reduction.weight": value}
    found = weights_names.translate(weights, weights_rules.SWIN).weights
    kernel = found["backbone/stage_3/merging/reduction/kernel"]
    assert kernel.shape == (1, 1, 8, 4)
    assert kernel[0, 0, 5, 2] == value[2, 5]


HUGGING_FACE_LAYER = "resnet.encoder.stages.3.layers.2.layer.0"


@pytest.mark.parametrize(
    ("source", "name", "rank", "ours"),
    [
        ("detectron2", "backbone.stem.conv1.norm.running_var", 1, "stem/norm/mov.*var"),
        ("detectron2", "res4.22.shortcut.weight", 4, "res4/block_22/conv_shortcut/k.*"),
        ("torchvision", "layer4.0.downsample.1.bias", 1, "res5/block_0/norm_short.*"),
        ("torchvision", "bn1.weight", 1, "stem/norm/gamma"),
        ("torchvision", "layer3.1.bn2.running_mean", 1, "res4/block_1/norm_2/mov.*an"),
        (
            "hugging_face",
            f"{HUGGING_FACE_LAYER}.normalization.bias",
            1,
            "res5/block_2/",
        ),
    ],
)
def test_backbones_of_all_sources_end_at_our_names(source, name, rank, ours):
    mapped = weights_names.translate({name: np.ones([2] * rank)}, source)
    (found,) = mapped.weights
    assert re.match(f"backbone/{ours}", found)
    assert weights_names.recognise([name]) == source


def test_what_no_rule_knows_is_unknown():
    mapped = weights_names.translate(
        {
            "layer1.0.conv1.weight": np.ones([2, 2, 1, 1]),
            "layer1.0.conv1.scale": np.ones(2),  # a part a convolution has not
            "layer1.0.bn1.weight": np.ones([2, 2]),  # of another rank
            "layer5.0.conv1.weight": np.ones([2, 2, 1, 1]),
        },
        weights_rules.TORCHVISION,
    )
    assert list(mapped.weights) == ["backbone/res2/block_0/conv_1/kernel"]
    assert len(mapped.unknown) == 3


def test_an_old_and_a_new_name_of_one_weight_are_not_both_taken():
    prefix = "sem_seg_head.predictor."
    weights = {
        f"{prefix}query_feat.weight": np.zeros([2, 4]),
        f"{prefix}static_query.weight": np.ones([2, 4]),
    }
    mapped = weights_names.translate(weights, weights_rules.DETECTRON2)
    assert mapped.unknown == [f"{prefix}static_query.weight"]


def test_projections_that_are_not_three_are_unknown():
    name = "model.transformer_module.decoder.layers.0.cross_attn.in_proj_bias"
    mapped = weights_names.translate({name: np.ones(7)}, weights_rules.HUGGING_FACE)
    assert mapped.unknown == [name]


def test_classifiers_are_dropped_and_counters_forgotten():
    weights = {"fc.weight": np.ones([2, 2]), "bn1.num_batches_tracked": np.ones([])}
    mapped = weights_names.translate(weights, weights_rules.TORCHVISION)
    assert (mapped.weights, mapped.unknown, mapped.dropped) == ({}, [], ["fc.weight"])
    names = ["head.bias", "norm.weight", "classifier.weight", "swin.layernorm.bias"]
    mapped = weights_names.translate(dict.fromkeys(names), weights_rules.SWIN)
    assert (mapped.unknown, mapped.dropped) == ([], names)


def test_a_checkpoint_of_something_else_is_not_recognised():
    assert (
        weights_names.recognise(["encoder.layer.0.attention.self.query.weight"]) is None
    )
    assert weights_names.recognise([]) is None
