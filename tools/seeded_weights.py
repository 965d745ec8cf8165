"""Weights that follow from their names, shapes and a seed, the same with any NumPy.

So the fixtures of a network of full width hold its shapes in place of its weights, and
both sides draw them. Names are those of Hugging Face's Mask2Former.
"""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

# Deviations of weights that no number of inputs says.
_SPREADS = (
    ("relative_position_bias_table", 1.0),
    ("sampling_offsets.bias", 1.5),  # px: places around where the ring would be
    ("level_embed", 1.0),
    ("level_embed.weight", 1.0),
    ("queries_features.weight", 1.0),
    ("queries_embedder.weight", 1.0),
)
_BIAS_SPREAD = 0.1
_NORM_RANGE = 0.3
# How much larger than 1 / sqrt(fan_in), or queries and sums of blocks become alike.
_GAINS = (("class_predictor.weight", 2.0), ("out_proj.weight", 0.5))
_LAST_OF_BRANCH = ("fc2.weight", "o_proj.weight")


def draw(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, np.ndarray]:
    """Draws every weight from a stream of its own.

    Returns:
        float32 with values of float16, so half the bytes hold them exactly.
    """
    return {name: _drawn(name, tuple(shape), seed) for name, shape in shapes.items()}


def _drawn(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    stream = np.random.default_rng([seed, zlib.crc32(name.encode())])
    # Uniform: the normal distribution's tail asks the system's mathematics library.
    spread = math.sqrt(12.0) * (stream.random(shape, np.float32) - 0.5)
    if len(shape) == 1 and name.endswith(".weight"):  # a norm's
        values = 1.0 + _NORM_RANGE * spread / math.sqrt(3.0)
    else:
        values = _deviation(name, shape) * spread
    return values.astype(np.float16).astype(np.float32)


def _deviation(name: str, shape: tuple[int, ...]) -> float:
    for ending, deviation in _SPREADS:
        if name.endswith(ending):
            return deviation
    if len(shape) == 1:
        return _BIAS_SPREAD
    gains = (gain for ending, gain in _GAINS if name.endswith(ending))
    gain = 0.5 if name.endswith(_LAST_OF_BRANCH) else next(gains, 1.0)
    return gain / math.sqrt(math.prod(shape[1:]))
