"""Reads from the shapes of a checkpoint which network it belongs to."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Literal

import keras
import numpy as np

from foundation import errors
from model import config
from model.network import backbones, efficientnet_lite, mask2former, swin
from model.weights import swin_rules

_LISTED = 20
_LEVELS, _POINTS = 3, 4
_DEPTHS: dict[tuple[tuple[int, ...], bool], Literal[18, 34, 50, 101]] = {
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
}
_SUPPORTED = (
    "Supported: ResNets of depth 18, 34, 50 and 101, EfficientNet-Lite0 and -Lite2, "
    "Swin tiny and small with windows of 7 and base and large with windows of 12, each "
    "alone or as the backbone of Mask2Former."
)
_EFFICIENTNET = re.compile(r"backbone/stage_(\d)/block_(\d+)/")


def backbone_of(weights: Mapping[str, np.ndarray], where: str) -> config.BackboneConfig:
    """The backbone these weights belong to.

    Args:
        weights: by our names.
        where: the file, for messages.

    Raises:
        WeightsError: there is no such backbone.
    """
    if swin_rules.is_one(weights):
        return _swin_of(weights, where)
    if any(map(_EFFICIENTNET.match, weights)):
        return _efficientnet_of(weights, where)
    blocks = tuple(
        _count(weights, rf"backbone/res{s}/block_(\d+)/") for s in range(2, 6)
    )
    bottleneck = "backbone/res2/block_0/conv_3/kernel" in weights
    depth = _DEPTHS.get((blocks, bottleneck))
    if depth is None:
        raise errors.WeightsError(
            f"{where} holds another architecture: its backbone has {blocks} "
            f"{'bottleneck' if bottleneck else 'basic'} blocks. {_SUPPORTED}"
        )
    width = _axis(weights, "backbone/stem/conv/kernel", 3, where)
    return config.BackboneConfig(depth=depth, stem_width=width, norm="frozen_batch")


def _efficientnet_of(
    weights: Mapping[str, np.ndarray], where: str
) -> config.BackboneConfig:
    matches = filter(None, map(_EFFICIENTNET.match, weights))
    found = {(int(match[1]), int(match[2])) for match in matches}
    for name in efficientnet_lite.NAMES:
        stages = enumerate(efficientnet_lite.stage_sizes(name), start=1)
        blocks = {(stage, number) for stage, sizes in stages for number in sizes}
        if blocks == found:
            return config.BackboneConfig.model_validate({"name": name})
    raise errors.WeightsError(
        f"{where} holds another architecture: its backbone is an EfficientNet of "
        f"{len(found)} blocks. {_SUPPORTED}"
    )


def _swin_of(weights: Mapping[str, np.ndarray], where: str) -> config.BackboneConfig:
    stages = [f"backbone/stage_{number}" for number in range(1, 5)]
    tables = [f"{stage}/block_0/attention/relative_position_bias" for stage in stages]
    offsets = _axis(weights, tables[0], 0, where)
    size = swin.Size(
        channels=_axis(weights, "backbone/stem/conv/kernel", 3, where),
        depths=tuple(_count(weights, rf"{stage}/block_(\d+)/") for stage in stages),
        heads=tuple(_axis(weights, table, 1, where) for table in tables),
        window=(math.isqrt(offsets) + 1) // 2,
    )
    name = swin_rules.name_of(size)
    if name is None:
        raise errors.WeightsError(
            f"{where} holds another architecture: a Swin of {size.channels} channels, "
            f"{size.depths} blocks, {size.heads} heads and windows of {size.window} "
            f"pixels. {_SUPPORTED}"
        )
    return config.BackboneConfig.model_validate({"name": name})


def network_of(
    weights: Mapping[str, np.ndarray], where: str
) -> tuple[config.ModelConfig, int]:
    """The whole network these weights belong to, and its number of classes.

    No shape tells the number of heads. But both known implementations look at four
    points in each of three levels, and use equally many heads everywhere.

    Raises:
        WeightsError: there is no such network.
    """

    def axis(name: str, number: int) -> int:
        return _axis(weights, name, number, where)

    try:
        settings = config.ModelConfig.model_validate(_sizes(weights, where, axis))
    except ValueError as error:
        raise errors.WeightsError(
            f"{where} holds another architecture: {error}. {_SUPPORTED}"
        ) from error
    return settings, axis("decoder/class_head/kernel", 1) - 1


def _sizes(
    weights: Mapping[str, np.ndarray], where: str, axis: Callable[[str, int], int]
) -> dict[str, dict]:
    """Sizes of the network as `ModelConfig` takes them."""
    samples = axis("pixel_decoder/encoder_0/attention/attention_weights/kernel", 1)
    heads = samples // (_LEVELS * _POINTS)
    return {
        "backbone": backbone_of(weights, where).model_dump(),
        "pixel_decoder": {
            "channels": axis("pixel_decoder/input_0/conv/kernel", 3),
            "num_encoder_layers": _count(weights, r"pixel_decoder/encoder_(\d+)/"),
            "num_heads": heads,
            "num_points": _POINTS,
            "feedforward_channels": axis(
                "pixel_decoder/encoder_0/feedforward_1/kernel", 1
            ),
        },
        "decoder": {
            "channels": axis("decoder/query_features", 1),
            "num_queries": axis("decoder/query_features", 0),
            "num_layers": _count(weights, r"decoder/block_(\d+)/"),
            "num_heads": heads,
            "feedforward_channels": axis("decoder/block_0/feedforward_1/kernel", 1),
            "mask_channels": axis("decoder/mask_head_2/kernel", 1),
        },
    }


def check(
    weights: Mapping[str, np.ndarray],
    settings: config.ModelConfig | config.BackboneConfig,
    num_classes: int,
    where: str,
) -> None:
    """Compares names and shapes with those of the network that is built.

    Raises:
        WeightsError: a weight is missing, left over, or of another shape.
    """
    expected = _expected_shapes(settings, num_classes)
    compare({name: value.shape for name, value in weights.items()}, expected, where)


def compare(
    found: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    where: str,
) -> None:
    """Compares shapes by name.

    Raises:
        WeightsError: they differ.
    """
    missing = sorted(set(expected) - set(found))
    left = sorted(set(found) - set(expected))
    shapes = [
        f"{name}: expected {tuple(shape)}, got {tuple(found[name])}"
        for name, shape in sorted(expected.items())
        if name in found and tuple(found[name]) != tuple(shape)
    ]
    problems = [
        listed(title, names)
        for title, names in (
            ("missing", missing),
            ("left over", left),
            ("of another shape", shapes),
        )
        if names
    ]
    if problems:
        raise errors.WeightsError(
            f"{where} holds another architecture.\n" + "\n".join(problems)
        )


def listed(title: str, names: list[str]) -> str:
    """The first names of a kind, one a line."""
    shown = [f"  {name}" for name in names[:_LISTED]]
    if len(names) > _LISTED:
        shown.append(f"  ... and {len(names) - _LISTED} more")
    return "\n".join([f"{len(names)} {title}:", *shown])


def _expected_shapes(
    settings: config.ModelConfig | config.BackboneConfig, num_classes: int
) -> dict[str, tuple[int, ...]]:
    if isinstance(settings, config.ModelConfig):
        return shapes_of(mask2former.build(settings, num_classes))
    layer = backbones.build(settings, name="backbone")
    layer.build((None, None, None, 3))
    return {weight.path: tuple(weight.shape) for weight in layer.weights}


def shapes_of(network: keras.Model) -> dict[str, tuple[int, ...]]:
    """Shapes of a network's weights by our names."""
    return {own_name(weight): tuple(weight.shape) for weight in network.weights}


def own_name(weight: keras.Variable) -> str:
    """A weight's path without the network's name."""
    return weight.path.partition("/")[2]


def _count(weights: Mapping[str, np.ndarray], pattern: str) -> int:
    """How many numbers the pattern's group takes."""
    matches = (re.match(pattern, name) for name in weights)
    return len({match[1] for match in matches if match})


def _axis(weights: Mapping[str, np.ndarray], name: str, number: int, where: str) -> int:
    if name not in weights:
        raise errors.WeightsError(
            f"{where} holds another architecture: {name} is missing. {_SUPPORTED}"
        )
    return weights[name].shape[number]
