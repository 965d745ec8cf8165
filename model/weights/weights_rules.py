"""Which layer of another implementation is which of ours.

A rule holds for a layer, however many arrays it has. Numbers are the pattern's groups,
so one rule serves all blocks.
"""

import dataclasses
from collections.abc import Iterable

from model.network import efficientnet_lite
from model.weights import swin_rules

DETECTRON2 = "detectron2"
HUGGING_FACE = "hugging_face"
TORCHVISION = "torchvision"
SWIN = "swin"
EFFICIENTNET_LITE0 = "efficientnet_lite0"
EFFICIENTNET_LITE2 = "efficientnet_lite2"


@dataclasses.dataclass(frozen=True)
class Rule:
    """Where a layer goes.

    Attributes:
        pattern: matches the whole name of a layer: a weight's without its last part.
        layer: our layer, with the pattern's groups as `\\1`.
        kind: what its arrays are, see `weights_names`.
    """

    pattern: str
    layer: str
    kind: str


def _renamed(prefix: str, layer: str, names: dict[str, tuple[str, str]]) -> list[Rule]:
    """Rules for layers that have the same prefix on both sides."""
    return [
        Rule(prefix + pattern, layer + name, kind)
        for pattern, (name, kind) in names.items()
    ]


def _backbone_detectron2() -> list[Rule]:
    block, ours = r"(?:backbone\.)?res(\d)\.(\d+)\.", r"backbone/res\1/block_\2/"
    stem = r"(?:backbone\.)?stem\.conv1"
    return [
        Rule(stem, "backbone/stem/conv", "convolution"),
        Rule(rf"{stem}\.norm", "backbone/stem/norm", "batch_norm"),
        Rule(rf"{block}conv(\d)", rf"{ours}conv_\3", "convolution"),
        Rule(rf"{block}conv(\d)\.norm", rf"{ours}norm_\3", "batch_norm"),
        Rule(rf"{block}shortcut", f"{ours}conv_shortcut", "convolution"),
        Rule(rf"{block}shortcut\.norm", f"{ours}norm_shortcut", "batch_norm"),
    ]


def _backbone_hugging_face() -> list[Rule]:
    prefix = r"(?:model\.pixel_level_module\.encoder|resnet)\."
    kinds = {
        "convolution": ("conv", "convolution"),
        "normalization": ("norm", "batch_norm"),
    }
    rules = []
    for theirs, (ours, kind) in kinds.items():
        stem = rf"{prefix}embedder\.embedder\.{theirs}"
        rules.append(Rule(stem, f"backbone/stem/{ours}", kind))
        for stage in range(4):
            block = rf"{prefix}encoder\.stages\.{stage}\.layers\.(\d+)\."
            layer = rf"backbone/res{stage + 2}/block_\1/{ours}_"
            shortcut = rf"{block}shortcut\.{theirs}"
            rules.append(Rule(shortcut, f"{layer}shortcut", kind))
            for conv in range(3):
                pattern = rf"{block}layer\.{conv}\.{theirs}"
                rules.append(Rule(pattern, f"{layer}{conv + 1}", kind))
    return rules


def _backbone_torchvision() -> list[Rule]:
    rules = [
        Rule("conv1", "backbone/stem/conv", "convolution"),
        Rule("bn1", "backbone/stem/norm", "batch_norm"),
    ]
    for stage in range(1, 5):
        block, ours = rf"layer{stage}\.(\d+)\.", rf"backbone/res{stage + 1}/block_\1/"
        rules += [
            Rule(rf"{block}conv(\d)", rf"{ours}conv_\2", "convolution"),
            Rule(rf"{block}bn(\d)", rf"{ours}norm_\2", "batch_norm"),
            Rule(rf"{block}downsample\.0", f"{ours}conv_shortcut", "convolution"),
            Rule(rf"{block}downsample\.1", f"{ours}norm_shortcut", "batch_norm"),
        ]
    return rules


def _swin(rows: Iterable[swin_rules.Row]) -> list[Rule]:
    return [Rule(*row) for row in rows]


def _efficientnet_lite(name: str) -> list[Rule]:
    """Blocks are numbered through; ours stand in the stage whose features they make."""
    rules = [
        Rule("_conv_stem", "backbone/stem/conv", "convolution"),
        Rule("_bn0", "backbone/stem/norm", "batch_norm"),
    ]
    for stage, sizes in enumerate(efficientnet_lite.stage_sizes(name), start=1):
        block = rf"_blocks\.({'|'.join(map(str, sizes))})\."
        ours = rf"backbone/stage_{stage}/block_\1"
        for number, part in enumerate(("expand", "depthwise", "project")):
            kind = "depthwise" if part == "depthwise" else "convolution"
            rules += [
                Rule(rf"{block}_{part}_conv", f"{ours}/conv_{part}", kind),
                Rule(rf"{block}_bn{number}", f"{ours}/norm_{part}", "batch_norm"),
            ]
    return rules


_DEFORMABLE = {
    r"self_attn\.sampling_offsets": ("attention/sampling_offsets", "linear"),
    r"self_attn\.attention_weights": ("attention/attention_weights", "linear"),
    r"self_attn\.value_proj": ("attention/value_projection", "linear"),
    r"self_attn\.output_proj": ("attention/output_projection", "linear"),
}
_PIXELS_DETECTRON2 = {
    r"input_proj\.(\d)\.0": (r"input_\1/conv", "convolution"),
    r"input_proj\.(\d)\.1": (r"input_\1/norm", "norm"),
    r"adapter_1": ("lateral/conv", "convolution"),
    r"adapter_1\.norm": ("lateral/norm", "norm"),
    r"layer_1": ("output/conv", "convolution"),
    r"layer_1\.norm": ("output/norm", "norm"),
    r"mask_features": ("mask_features", "convolution"),
}
_ENCODER_DETECTRON2 = {
    **_DEFORMABLE,
    r"norm1": ("attention_norm", "norm"),
    r"linear([12])": (r"feedforward_\2", "linear"),
    r"norm2": ("feedforward_norm", "norm"),
}
_FEEDFORWARD_DETECTRON2 = {
    r"linear([12])": (r"feedforward_\2", "linear"),
    r"norm": ("feedforward_norm", "norm"),
}
_DECODER_DETECTRON2 = {
    r"decoder_norm": ("norm", "norm"),
    r"(?:query_feat|static_query)": ("query_features", "embedding"),
    r"query_embed": ("query_positions", "embedding"),
    r"level_embed": ("level_embedding", "embedding"),
    r"input_proj\.(\d)": (r"input_\1", "pointwise"),
    r"class_embed": ("class_head", "linear"),
    r"mask_embed\.layers\.(\d)": (r"mask_head_\1", "linear"),
}


def _detectron2() -> list[Rule]:
    pixels, decoder = r"sem_seg_head\.pixel_decoder\.", r"sem_seg_head\.predictor\."
    return [
        *_backbone_detectron2(),
        *_swin(swin_rules.authors(r"backbone\.")),
        *_renamed(pixels, "pixel_decoder/", _PIXELS_DETECTRON2),
        Rule(rf"{pixels}transformer", "pixel_decoder", "level_embedding"),
        *_renamed(
            rf"{pixels}transformer\.encoder\.layers\.(\d+)\.",
            r"pixel_decoder/encoder_\1/",
            _ENCODER_DETECTRON2,
        ),
        *_attention(rf"{decoder}transformer_cross_attention_layers", "multihead_attn"),
        *_attention(rf"{decoder}transformer_self_attention_layers", "self_attn"),
        *_renamed(
            rf"{decoder}transformer_ffn_layers\.(\d+)\.",
            r"decoder/block_\1/",
            _FEEDFORWARD_DETECTRON2,
        ),
        *_renamed(decoder, "decoder/", _DECODER_DETECTRON2),
    ]


def _attention(layers: str, name: str) -> list[Rule]:
    kind = "cross_attention" if "cross" in layers else "self_attention"
    block, ours = rf"{layers}\.(\d+)\.", rf"decoder/block_\1/{kind}"
    return [
        Rule(f"{block}{name}", ours, "attention"),
        Rule(rf"{block}{name}\.out_proj", f"{ours}/output", "linear"),
        Rule(f"{block}norm", f"{ours}_norm", "norm"),
    ]


_PIXELS_HUGGING_FACE = {
    r"input_projections\.(\d)\.0": (r"input_\1/conv", "convolution"),
    r"input_projections\.(\d)\.1": (r"input_\1/norm", "norm"),
    r"adapter_1\.0": ("lateral/conv", "convolution"),
    r"adapter_1\.1": ("lateral/norm", "norm"),
    r"layer_1\.0": ("output/conv", "convolution"),
    r"layer_1\.1": ("output/norm", "norm"),
    r"mask_projection": ("mask_features", "convolution"),
}
_ENCODER_HUGGING_FACE = {
    **_DEFORMABLE,
    r"self_attn_layer_norm": ("attention_norm", "norm"),
    r"fc([12])": (r"feedforward_\2", "linear"),
    r"final_layer_norm": ("feedforward_norm", "norm"),
}
_BLOCK_HUGGING_FACE = {
    r"self_attn\.out_proj": ("self_attention/output", "linear"),
    r"self_attn_layer_norm": ("self_attention_norm", "norm"),
    r"cross_attn": ("cross_attention", "attention"),
    r"cross_attn\.out_proj": ("cross_attention/output", "linear"),
    r"cross_attn_layer_norm": ("cross_attention_norm", "norm"),
    r"fc([12])": (r"feedforward_\2", "linear"),
    r"final_layer_norm": ("feedforward_norm", "norm"),
}
_DECODER_HUGGING_FACE = {
    r"decoder\.layernorm": ("norm", "norm"),
    r"decoder\.mask_predictor\.mask_embedder\.(\d)\.0": (r"mask_head_\1", "linear"),
    r"queries_features": ("query_features", "embedding"),
    r"queries_embedder": ("query_positions", "embedding"),
    r"level_embed": ("level_embedding", "embedding"),
    r"input_projections\.(\d)": (r"input_\1", "pointwise"),
}


def _hugging_face() -> list[Rule]:
    pixels = r"model\.pixel_level_module\.decoder"
    decoder = r"model\.transformer_module\."
    attention = [
        Rule(
            rf"{decoder}decoder\.layers\.(\d+)\.self_attn\.{name[0]}_proj",
            rf"decoder/block_\1/self_attention/{name}",
            "linear",
        )
        for name in ("query", "key", "value")
    ]
    return [
        *_backbone_hugging_face(),
        *_swin(swin_rules.hugging_face()),
        Rule(pixels, "pixel_decoder", "level_embedding"),
        *_renamed(rf"{pixels}\.", "pixel_decoder/", _PIXELS_HUGGING_FACE),
        *_renamed(
            rf"{pixels}\.encoder\.layers\.(\d+)\.",
            r"pixel_decoder/encoder_\1/",
            _ENCODER_HUGGING_FACE,
        ),
        *attention,
        *_renamed(
            rf"{decoder}decoder\.layers\.(\d+)\.",
            r"decoder/block_\1/",
            _BLOCK_HUGGING_FACE,
        ),
        *_renamed(decoder, "decoder/", _DECODER_HUGGING_FACE),
        Rule("class_predictor", "decoder/class_head", "linear"),
    ]


RULES: dict[str, list[Rule]] = {
    DETECTRON2: _detectron2(),
    HUGGING_FACE: _hugging_face(),
    TORCHVISION: _backbone_torchvision(),
    SWIN: _swin(swin_rules.authors("")),
    # The smaller before the larger, which knows all of its names, too.
    EFFICIENTNET_LITE0: _efficientnet_lite(EFFICIENTNET_LITE0),
    EFFICIENTNET_LITE2: _efficientnet_lite(EFFICIENTNET_LITE2),
}
