"""Which layer of another Swin Transformer is which of ours, for `weights_rules`.

Published names number the step to half the size with the stage before it; ours stands
at the start of the stage that it makes.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from model.network import swin

# A pattern, our layer and its kind.
Row = tuple[str, str, str]
_STAGES = range(4)
_ENCODER = r"model\.pixel_level_module\.encoder\."
_BLOCK_AUTHORS = {
    r"norm1": ("attention_norm", "norm"),
    r"attn": ("attention", "window_attention"),
    r"attn\.qkv": ("attention", "joined_linear"),
    r"attn\.proj": ("attention/output", "linear"),
    r"norm2": ("feedforward_norm", "norm"),
    r"mlp\.fc([12])": (r"feedforward_\2", "linear"),
}
# Files of before and since version 5 of the library.
_BLOCK_HUGGING_FACE = {
    r"layernorm_before": ("attention_norm", "norm"),
    r"attention\.(?:self|relative_position_bias)": ("attention", "window_attention"),
    r"attention\.(?:self\.query|q_proj)": ("attention/query", "linear"),
    r"attention\.(?:self\.key|k_proj)": ("attention/key", "linear"),
    r"attention\.(?:self\.value|v_proj)": ("attention/value", "linear"),
    r"attention\.(?:output\.dense|o_proj)": ("attention/output", "linear"),
    r"layernorm_after": ("feedforward_norm", "norm"),
    r"(?:intermediate\.dense|mlp\.fc1)": ("feedforward_1", "linear"),
    r"(?:output\.dense|mlp\.fc2)": ("feedforward_2", "linear"),
}


def authors(prefix: str) -> Iterator[Row]:
    """Names of the authors' files, of a classifier or of Mask2Former."""
    yield rf"{prefix}patch_embed\.proj", "backbone/stem/conv", "convolution"
    yield rf"{prefix}patch_embed\.norm", "backbone/stem/norm", "norm"
    yield from _stages(rf"{prefix}layers", _BLOCK_AUTHORS)
    for stage in _STAGES:
        yield rf"{prefix}norm{stage}", f"backbone/stage_{stage + 1}/norm", "norm"


def hugging_face() -> Iterator[Row]:
    """Names of Hugging Face's files, likewise."""
    prefix = rf"(?:{_ENCODER}(?:swin\.)?|swin\.)"
    stem = rf"{prefix}embeddings\."
    yield (
        rf"{stem}patch_embeddings\.projection",
        "backbone/stem/conv",
        "convolution",
    )
    yield rf"{stem}norm", "backbone/stem/norm", "norm"
    yield from _stages(rf"{prefix}encoder\.layers", _BLOCK_HUGGING_FACE)
    for stage in _STAGES:
        norm = rf"{_ENCODER}hidden_states_norms\.stage{stage + 1}"
        yield norm, f"backbone/stage_{stage + 1}/norm", "norm"


def _stages(layers: str, names: Mapping[str, tuple[str, str]]) -> Iterator[Row]:
    for stage in _STAGES:
        ours = f"backbone/stage_{stage + 1}"
        for pattern, (name, kind) in names.items():
            theirs = rf"{layers}\.{stage}\.blocks\.(\d+)\.{pattern}"
            yield theirs, rf"{ours}/block_\1/{name}", kind
        if stage > 0:
            theirs = rf"{layers}\.{stage - 1}\.downsample\."
            yield rf"{theirs}norm", f"{ours}/merging/norm", "norm"
            yield rf"{theirs}reduction", f"{ours}/merging/reduction", "flat_convolution"


def is_one(names: Mapping[str, np.ndarray]) -> bool:
    """Whether weights by our names are a Swin's."""
    return any(name.endswith("/relative_position_bias") for name in names)


def with_feature_norms(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A classifier's weights, and norms of the features, which it has none of.

    They start as in the authors' training: scale 1, shift 0.
    """
    completed = dict(weights)
    for stage in _STAGES:
        name = f"backbone/stage_{stage + 1}"
        last = weights.get(f"{name}/block_1/attention_norm/gamma")
        if last is None:  # another architecture: told where all is compared
            continue
        completed.setdefault(f"{name}/norm/gamma", np.ones_like(last))
        completed.setdefault(f"{name}/norm/beta", np.zeros_like(last))
    return completed


def name_of(size: swin.Size) -> str | None:
    """What a configuration calls it; None if it is not built here."""
    names = (name for name, known in swin.SIZES.items() if known == size)
    return next(names, None)
