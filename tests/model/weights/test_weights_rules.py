import re

import pytest

from model import config
from model.network import mask2former
from model.weights import weights_architecture, weights_rules

_HEAD = "sem_seg_head."
_PIXEL_LEVEL = "model.pixel_level_module."
_TRANSFORMER = "model.transformer_module."
# A layer of the published files, ours, and the kind: written down from their listings.
KNOWN = [
    ("torchvision", "layer4.2.conv3", "backbone/res5/block_2/conv_3", "convolution"),
    (
        "torchvision",
        "layer1.0.downsample.1",
        "backbone/res2/block_0/norm_shortcut",
        "batch_norm",
    ),
    (
        "detectron2",
        "backbone.res4.22.conv1.norm",
        "backbone/res4/block_22/norm_1",
        "batch_norm",
    ),
    (
        "detectron2",
        f"{_HEAD}pixel_decoder.input_proj.2.1",
        "pixel_decoder/input_2/norm",
        "norm",
    ),
    (
        "detectron2",
        f"{_HEAD}pixel_decoder.transformer.encoder.layers.5.linear2",
        "pixel_decoder/encoder_5/feedforward_2",
        "linear",
    ),
    (
        "detectron2",
        f"{_HEAD}predictor.transformer_self_attention_layers.8.self_attn.out_proj",
        "decoder/block_8/self_attention/output",
        "linear",
    ),
    (
        "detectron2",
        f"{_HEAD}predictor.mask_embed.layers.2",
        "decoder/mask_head_2",
        "linear",
    ),
    (
        "hugging_face",
        f"{_PIXEL_LEVEL}encoder.encoder.stages.0.layers.1.layer.2.normalization",
        "backbone/res2/block_1/norm_3",
        "batch_norm",
    ),
    (
        "hugging_face",
        f"{_PIXEL_LEVEL}decoder.encoder.layers.3.final_layer_norm",
        "pixel_decoder/encoder_3/feedforward_norm",
        "norm",
    ),
    (
        "hugging_face",
        f"{_TRANSFORMER}decoder.layers.7.self_attn.k_proj",
        "decoder/block_7/self_attention/key",
        "linear",
    ),
    (
        "hugging_face",
        f"{_TRANSFORMER}decoder.layers.7.cross_attn",
        "decoder/block_7/cross_attention",
        "attention",
    ),
    ("hugging_face", "class_predictor", "decoder/class_head", "linear"),
    (
        "detectron2",
        "backbone.layers.2.blocks.17.attn.qkv",
        "backbone/stage_3/block_17/attention",
        "joined_linear",
    ),
    (
        "detectron2",
        "backbone.layers.0.downsample.reduction",
        "backbone/stage_2/merging/reduction",
        "flat_convolution",
    ),
    ("detectron2", "backbone.norm3", "backbone/stage_4/norm", "norm"),
    (
        "swin",
        "layers.3.blocks.1.mlp.fc2",
        "backbone/stage_4/block_1/feedforward_2",
        "linear",
    ),
    (
        "hugging_face",
        f"{_PIXEL_LEVEL}encoder.encoder.layers.1.blocks.0.attention.self",
        "backbone/stage_2/block_0/attention",
        "window_attention",
    ),
    (
        "hugging_face",
        f"{_PIXEL_LEVEL}encoder.swin.encoder.layers.1.blocks.0.attention.k_proj",
        "backbone/stage_2/block_0/attention/key",
        "linear",
    ),
    (
        "hugging_face",
        f"{_PIXEL_LEVEL}encoder.hidden_states_norms.stage4",
        "backbone/stage_4/norm",
        "norm",
    ),
    (
        "efficientnet_lite2",
        "_blocks.20._depthwise_conv",
        "backbone/stage_4/block_20/conv_depthwise",
        "depthwise",
    ),
    (
        "efficientnet_lite2",
        "_blocks.16._bn0",
        "backbone/stage_4/block_16/norm_expand",
        "batch_norm",
    ),
]


def matching(source, layer):
    """Ours and the kind, of every rule that holds for the layer."""
    return [
        (match.expand(rule.layer), rule.kind)
        for rule in weights_rules.RULES[source]
        if (match := re.fullmatch(rule.pattern, layer))
    ]


@pytest.mark.parametrize(("source", "theirs", "ours", "kind"), KNOWN)
def test_exactly_one_rule_holds_for_a_published_layer(source, theirs, ours, kind):
    assert matching(source, theirs) == [(ours, kind)]
    others = set(weights_rules.RULES) - {source}
    if source == weights_rules.EFFICIENTNET_LITE2:  # has the names of the smaller
        others.remove(weights_rules.EFFICIENTNET_LITE0)
    assert [found for other in others for found in matching(other, theirs)] == []


def test_dots_are_dots_and_neighbours_of_a_layer_are_not_it():
    for source, theirs, _, _ in KNOWN:
        assert not matching(source, theirs.replace(".", "_") + "_"), theirs
        assert not matching(source, f"ema.{theirs}"), theirs
        if "." in theirs:
            assert not matching(source, theirs.replace(".", "x")), theirs


def layers():
    """Layers of two networks that have every part, shortcuts of 50 layers included."""
    return sorted(
        {*layers_with(depth=50, stem_width=4), *layers_with(name="swin_tiny")}
    )


def layers_with(**backbone):
    settings = config.ModelConfig.model_validate(
        {
            "backbone": backbone,
            "pixel_decoder": {
                "channels": 8,
                "num_encoder_layers": 1,
                "num_heads": 2,
                "feedforward_channels": 8,
                "norm_groups": 2,
            },
            "decoder": {
                "channels": 12,  # not the pixel decoder's, so its inputs are projected
                "num_queries": 3,
                "num_layers": 1,
                "num_heads": 2,
                "feedforward_channels": 8,
                "mask_channels": 8,
            },
        }
    )
    names = weights_architecture.shapes_of(mask2former.build(settings, 2))
    parts = (
        r"/(kernel|bias|gamma|beta|moving_mean|moving_variance|relative_position_bias)$"
    )
    return sorted({re.sub(parts, "", name) for name in names})


def reached(rule):
    """A pattern of the layers that a rule can lead to."""
    pattern = re.sub(r"\\\d", r"\\d+", rule.layer)
    joined = "/(query|key|value)"
    ends = {
        "attention": joined,
        "joined_linear": joined,
        "level_embedding": "/level_embedding",
    }
    return pattern + ends.get(rule.kind, "")


def test_every_layer_is_reached_from_both_sources_and_no_rule_leads_nowhere():
    ours = layers()
    for source in (weights_rules.DETECTRON2, weights_rules.HUGGING_FACE):
        patterns = [reached(rule) for rule in weights_rules.RULES[source]]
        alone = [n for n in ours if not any(re.fullmatch(p, n) for p in patterns)]
        assert alone == [], source
        nowhere = [p for p in patterns if not any(re.fullmatch(p, n) for n in ours)]
        assert nowhere == [], source
