"""Brings the weights of other implementations to our names and layouts.

`weights_rules` says which layer goes where and what kind it is; the kind says what
becomes of the layer's arrays. Our names are weight paths without the network's own
name, such as `backbone/res2/block_0/conv_1/kernel`.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from model.weights import weights_rules


@dataclasses.dataclass(frozen=True)
class Mapped:
    """A checkpoint after the rules.

    Attributes:
        weights: float32 arrays by our name.
        unknown: names that no rule has, or whose array has another form.
        dropped: names of a classifier's weights, which our network has no use for.
    """

    weights: dict[str, np.ndarray]
    unknown: list[str]
    dropped: list[str]


def translate(weights: Mapping[str, np.ndarray], source: str) -> Mapped:
    """Applies the rules of a source: a key of `weights_rules.RULES`."""
    mapped, unknown, dropped = {}, [], []
    for name, value in weights.items():
        if any(re.fullmatch(pattern, name) for pattern in _NO_WEIGHTS):
            continue
        if any(re.fullmatch(pattern, name) for pattern in _CLASSIFIERS):
            dropped.append(name)
            continue
        layer, _, part = name.rpartition(".")
        found = _find(layer, weights_rules.RULES[source])
        change = _KINDS[found[1]].get(part) if found else None
        if found is None or change is None or np.ndim(value) != change.rank:
            unknown.append(name)
            continue
        try:
            values = change.function(np.asarray(value, np.float32))
        except ValueError:  # rows that do not part into query, key and value
            unknown.append(name)
            continue
        for suffix, changed in zip(change.suffixes, values, strict=True):
            if found[0] + suffix in mapped:  # an old and a new name of one weight
                unknown.append(name)
            mapped[found[0] + suffix] = np.ascontiguousarray(changed)
    return Mapped(mapped, unknown, dropped)


def recognise(names: Iterable[str]) -> str | None:
    """The first source whose rules know most of these names; None without any."""
    layers = {name.rpartition(".")[0] for name in names}
    known = {
        source: sum(_find(layer, rules) is not None for layer in layers)
        for source, rules in weights_rules.RULES.items()
    }
    best = max(known, key=lambda source: known[source])
    return best if known[best] else None


def _find(layer: str, rules: Sequence[weights_rules.Rule]) -> tuple[str, str] | None:
    """Our layer and its kind."""
    for rule in rules:
        match = re.fullmatch(rule.pattern, layer)
        if match:
            return match.expand(rule.layer), rule.kind
    return None


@dataclasses.dataclass(frozen=True)
class _Change:
    """What becomes of an array of a given rank: arrays for our suffixes."""

    rank: int
    suffixes: tuple[str, ...]
    function: Callable[[np.ndarray], Sequence[np.ndarray]]


def _as_it_is(rank: int, suffix: str) -> _Change:
    return _Change(rank, (suffix,), lambda value: [value])


_INPUTS = ("query", "key", "value")
# Query, key and value one below the other: [3C, C], [3C].
_JOINED_KERNEL = _Change(
    2,
    tuple(f"/{name}/kernel" for name in _INPUTS),
    lambda value: [part.T for part in np.split(value, 3)],
)
_JOINED_BIAS = _Change(
    1, tuple(f"/{name}/bias" for name in _INPUTS), lambda value: np.split(value, 3)
)
_BIAS = {"bias": _as_it_is(1, "/bias")}
_NORM = {"weight": _as_it_is(1, "/gamma"), "bias": _as_it_is(1, "/beta")}
_KINDS: dict[str, dict[str, _Change]] = {
    "convolution": {  # [O, I, h, w] -> [h, w, I, O]
        "weight": _Change(4, ("/kernel",), lambda value: [value.transpose(2, 3, 1, 0)]),
        **_BIAS,
    },
    "depthwise": {  # [C, 1, h, w] -> [h, w, C, 1]
        "weight": _Change(4, ("/kernel",), lambda value: [value.transpose(2, 3, 0, 1)]),
    },
    "linear": {"weight": _Change(2, ("/kernel",), lambda value: [value.T]), **_BIAS},
    "pointwise": {  # [O, I, 1, 1] -> [I, O]
        "weight": _Change(4, ("/kernel",), lambda value: [value[:, :, 0, 0].T]),
        **_BIAS,
    },
    "flat_convolution": {  # [O, I] -> [1, 1, I, O]
        "weight": _Change(2, ("/kernel",), lambda value: [value.T[None, None]]),
    },
    "norm": _NORM,
    "batch_norm": {
        **_NORM,
        "running_mean": _as_it_is(1, "/moving_mean"),
        "running_var": _as_it_is(1, "/moving_variance"),
    },
    "embedding": {"weight": _as_it_is(2, "")},
    "level_embedding": {"level_embed": _as_it_is(2, "/level_embedding")},
    "attention": {"in_proj_weight": _JOINED_KERNEL, "in_proj_bias": _JOINED_BIAS},
    "joined_linear": {"weight": _JOINED_KERNEL, "bias": _JOINED_BIAS},
    "window_attention": {
        "relative_position_bias_table": _as_it_is(2, "/relative_position_bias")
    },
}
_NO_WEIGHTS = (
    r".*\.num_batches_tracked",  # counts training steps
    r"criterion\.empty_weight",  # the class weights of the loss: a setting here
    r"pixel_(mean|std)",
    r".*\.(relative_position_index|attn_mask)",  # follow from the size of a window
)
_CLASSIFIERS = (
    r"fc\.(weight|bias)",
    r"classifier\.(\d\.)?(weight|bias)",
    r"(norm|head)\.(weight|bias)",  # the authors' Swin
    r"(model\.pixel_level_module\.encoder\.)?swin\.layernorm\.(weight|bias)",
    r"_(conv_head|bn1|fc)\.\w+",
)
