"""A Hugging Face state dict under the names of Detectron2 and torchvision checkpoints.

Written layer by layer from the two lists of names, not by the converter's rules, so
that the converter is tested against something else than itself.
"""

import re
from collections.abc import Iterator

import numpy as np

_BACKBONE = "model.pixel_level_module.encoder"
_SWIN = f"{_BACKBONE}.swin"
_PIXELS = "model.pixel_level_module.decoder"
_DECODER = "model.transformer_module"
_AUTHORS_PIXELS = "sem_seg_head.pixel_decoder"
_AUTHORS_DECODER = "sem_seg_head.predictor"


def rename(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Renames all weights, and joins query, key and value projections.

    Raises:
        KeyError: a weight has no name there.
    """
    renamed, used = {}, {"criterion.empty_weight"}
    renamed["criterion.empty_weight"] = state["criterion.empty_weight"]
    used.update(name for name in state if name.startswith(f"{_SWIN}.layernorm."))
    for authors, own in _layers(state):
        parts = [name for name in state if name.rpartition(".")[0] == own]
        for name in parts:
            used.add(name)
            renamed[f"{authors}.{name.rpartition('.')[2]}"] = state[name]
    for authors, own in _single(state):
        used.add(own)
        renamed[authors] = state[own]
    for own, authors in _swin_attentions(state):
        for part in ("weight", "bias"):
            names = [f"{own}.{projection}_proj.{part}" for projection in "qkv"]
            used.update(names)
            joined = np.concatenate([state[name] for name in names])
            renamed[f"{authors}.qkv.{part}"] = joined
    for layer in range(_count(state, _DECODER + r"\.decoder\.layers")):
        own = f"{_DECODER}.decoder.layers.{layer}.self_attn"
        authors = f"transformer_self_attention_layers.{layer}.self_attn"
        for part in ("weight", "bias"):
            names = [f"{own}.{projection}_proj.{part}" for projection in "qkv"]
            used.update(names)
            joined = np.concatenate([state[name] for name in names])
            renamed[f"{_AUTHORS_DECODER}.{authors}.in_proj_{part}"] = joined
    used.update(name for name in state if name.endswith("num_batches_tracked"))
    left = sorted(set(state) - used)
    if left:
        raise KeyError(f"no name for {left}")
    return {
        name: value
        for name, value in renamed.items()
        if not name.endswith("num_batches_tracked")
    }


def torchvision(name: str) -> str:
    """Torchvision's name of a weight of Hugging Face's ResNet classifier."""
    name = name.removeprefix("resnet.").replace("classifier.1.", "fc.")
    name = name.replace("embedder.embedder.convolution", "conv1")
    name = name.replace("embedder.embedder.normalization", "bn1")
    for stage in range(4):
        name = name.replace(f"encoder.stages.{stage}.layers", f"layer{stage + 1}")
    for conv in range(3):
        name = name.replace(f"layer.{conv}.convolution", f"conv{conv + 1}")
        name = name.replace(f"layer.{conv}.normalization", f"bn{conv + 1}")
    name = name.replace("shortcut.convolution", "downsample.0")
    return name.replace("shortcut.normalization", "downsample.1")


def hugging_face_published(name: str) -> str:
    """The name that a weight has in Hugging Face's published Swin files.

    Version 5 of the library reads those, and has other names inside.
    """
    if not name.startswith(_SWIN):
        return name
    name = name.replace(_SWIN, _BACKBONE)
    for new, published in (
        ("attention.relative_position_bias", "attention.self"),
        ("attention.q_proj", "attention.self.query"),
        ("attention.k_proj", "attention.self.key"),
        ("attention.v_proj", "attention.self.value"),
        ("attention.o_proj", "attention.output.dense"),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
    ):
        name = name.replace(f".{new}.", f".{published}.")
    return name


def _layers(state: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    """Layers of equal content: authors' name, Hugging Face's name."""
    yield from _swin_layers(state)
    yield "backbone.stem.conv1", f"{_BACKBONE}.embedder.embedder.convolution"
    yield "backbone.stem.conv1.norm", f"{_BACKBONE}.embedder.embedder.normalization"
    for stage in range(4):
        stages = f"{_BACKBONE}.encoder.stages.{stage}.layers"
        for block in range(_count(state, re.escape(stages))):
            own, authors = f"{stages}.{block}", f"backbone.res{stage + 2}.{block}"
            yield f"{authors}.shortcut", f"{own}.shortcut.convolution"
            yield f"{authors}.shortcut.norm", f"{own}.shortcut.normalization"
            for conv in range(3):
                yield f"{authors}.conv{conv + 1}", f"{own}.layer.{conv}.convolution"
                norm = f"{own}.layer.{conv}.normalization"
                yield f"{authors}.conv{conv + 1}.norm", norm
    for level in range(3):
        for part in range(2):
            own = f"{_PIXELS}.input_projections.{level}.{part}"
            yield f"{_AUTHORS_PIXELS}.input_proj.{level}.{part}", own
        own = f"{_DECODER}.input_projections.{level}"
        yield f"{_AUTHORS_DECODER}.input_proj.{level}", own
    yield from _encoder_layers(state)
    yield from _decoder_layers(state)
    for part in ("adapter_1", "layer_1"):
        yield f"{_AUTHORS_PIXELS}.{part}", f"{_PIXELS}.{part}.0"
        yield f"{_AUTHORS_PIXELS}.{part}.norm", f"{_PIXELS}.{part}.1"
    yield f"{_AUTHORS_PIXELS}.mask_features", f"{_PIXELS}.mask_projection"
    yield f"{_AUTHORS_DECODER}.decoder_norm", f"{_DECODER}.decoder.layernorm"
    yield f"{_AUTHORS_DECODER}.query_feat", f"{_DECODER}.queries_features"
    yield f"{_AUTHORS_DECODER}.query_embed", f"{_DECODER}.queries_embedder"
    yield f"{_AUTHORS_DECODER}.level_embed", f"{_DECODER}.level_embed"
    yield f"{_AUTHORS_DECODER}.class_embed", "class_predictor"
    for layer in range(3):
        own = f"{_DECODER}.decoder.mask_predictor.mask_embedder.{layer}.0"
        yield f"{_AUTHORS_DECODER}.mask_embed.layers.{layer}", own


def _encoder_layers(state: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    for layer in range(_count(state, re.escape(f"{_PIXELS}.encoder.layers"))):
        own = f"{_PIXELS}.encoder.layers.{layer}"
        authors = f"{_AUTHORS_PIXELS}.transformer.encoder.layers.{layer}"
        for part in (
            "sampling_offsets",
            "attention_weights",
            "value_proj",
            "output_proj",
        ):
            yield f"{authors}.self_attn.{part}", f"{own}.self_attn.{part}"
        yield f"{authors}.norm1", f"{own}.self_attn_layer_norm"
        yield f"{authors}.linear1", f"{own}.fc1"
        yield f"{authors}.linear2", f"{own}.fc2"
        yield f"{authors}.norm2", f"{own}.final_layer_norm"


def _decoder_layers(state: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    for layer in range(_count(state, re.escape(f"{_DECODER}.decoder.layers"))):
        own = f"{_DECODER}.decoder.layers.{layer}"
        cross = f"{_AUTHORS_DECODER}.transformer_cross_attention_layers.{layer}"
        yield f"{cross}.multihead_attn", f"{own}.cross_attn"
        yield f"{cross}.multihead_attn.out_proj", f"{own}.cross_attn.out_proj"
        yield f"{cross}.norm", f"{own}.cross_attn_layer_norm"
        own_self = f"{_AUTHORS_DECODER}.transformer_self_attention_layers.{layer}"
        yield f"{own_self}.self_attn.out_proj", f"{own}.self_attn.out_proj"
        yield f"{own_self}.norm", f"{own}.self_attn_layer_norm"
        feedforward = f"{_AUTHORS_DECODER}.transformer_ffn_layers.{layer}"
        yield f"{feedforward}.linear1", f"{own}.fc1"
        yield f"{feedforward}.linear2", f"{own}.fc2"
        yield f"{feedforward}.norm", f"{own}.final_layer_norm"


def _swin_attentions(state: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    for stage in range(4):
        stages = f"{_SWIN}.encoder.layers.{stage}.blocks"
        for block in range(_count(state, re.escape(stages))):
            authors = f"backbone.layers.{stage}.blocks.{block}.attn"
            yield f"{stages}.{block}.attention", authors


def _swin_layers(state: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    stem = f"{_SWIN}.embeddings"
    yield "backbone.patch_embed.proj", f"{stem}.patch_embeddings.projection"
    yield "backbone.patch_embed.norm", f"{stem}.norm"
    for stage in range(4):
        own, authors = f"{_SWIN}.encoder.layers.{stage}", f"backbone.layers.{stage}"
        for part in ("norm", "reduction"):
            yield f"{authors}.downsample.{part}", f"{own}.downsample.{part}"
        norm = f"{_BACKBONE}.hidden_states_norms.stage{stage + 1}"
        yield f"backbone.norm{stage}", norm
    for own, attention in _swin_attentions(state):
        yield attention, f"{own}.relative_position_bias"
        yield f"{attention}.proj", f"{own}.o_proj"
        block, own = attention.removesuffix(".attn"), own.removesuffix(".attention")
        yield f"{block}.norm1", f"{own}.layernorm_before"
        yield f"{block}.norm2", f"{own}.layernorm_after"
        for number in (1, 2):
            yield f"{block}.mlp.fc{number}", f"{own}.mlp.fc{number}"


def _single(state: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    yield f"{_AUTHORS_PIXELS}.transformer.level_embed", f"{_PIXELS}.level_embed"


def _count(state: dict[str, np.ndarray], prefix: str) -> int:
    """How many numbered children a prefix (a pattern) has."""
    found = (re.match(prefix + r"\.(\d+)\.", name) for name in state)
    return len({match[1] for match in found if match})
