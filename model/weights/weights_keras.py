"""Keras applications' ResNet-50, -101 (version 1) as our backbone.

Those networks differ from ours in four ways. Three are made up for exactly or nearly:

- a bias on every convolution, which the mean of the batch norm after it takes over;
- epsilon 1.001e-5 instead of 1e-5, which the variance takes over;
- input as BGR minus a mean instead of normalised RGB, which the first convolution
  takes over: exact inside, but for zero-padding at the border, off by at most the
  difference of the two means (0.41 of 255).

The fourth remains: the stride sits in the first 1x1 convolution of a stage, ours in
the 3x3. The features differ from res3 on, so such weights are a start, not a match.
"""

import pathlib
import re

import h5py
import numpy as np

from foundation import errors
from model.network import normalization

STRIDE_NOTICE = (
    "Keras applications put the stride of a stage into its first 1x1 convolution, this "
    "network into the 3x3 (as torchvision does): the features differ from res3 on, so "
    "these weights are a start for training, not the same function"
)
_EPSILON = 1.001e-5
_BGR_MEAN = np.array([103.939, 116.779, 123.68])
_RGB_MEAN = np.array([123.675, 116.28, 103.53])
_RGB_DEVIATION = np.array([58.395, 57.12, 57.375])
_STEM = "conv1"
_LAYER = re.compile(r"(conv1|conv(\d)_block(\d+)_(\d))_(conv|bn)")
_HEAD = ("predictions", "probs", "fc1000")
_BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def read(path: pathlib.Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Reads a weights file or a whole saved model in Keras' HDF5 layout.

    Returns:
        float32 backbone weights by our names, and the names of dropped weights.

    Raises:
        WeightsError: the file is broken, or of another network.
    """
    layers, unknown, dropped = _read_layers(path)
    pairs = {match[1]: match for match in map(_LAYER.fullmatch, layers) if match}
    weights: dict[str, np.ndarray] = {}
    for pair, match in pairs.items():
        conv, norm = layers.get(f"{pair}_conv", {}), layers.get(f"{pair}_bn", {})
        lacking = [f"{pair}_conv/kernel"] if "kernel" not in conv else []
        lacking += [f"{pair}_bn/{part}" for part in _BATCH_NORM if part not in norm]
        if lacking:
            raise _another(path, f"it lacks {', '.join(lacking)}")
        weights |= _pair(pair, match, conv, norm)
    if unknown or not pairs:
        raise _another(path, f"it has {', '.join(unknown[:20]) or 'no layers'}")
    return weights, dropped


def _read_layers(
    path: pathlib.Path,
) -> tuple[dict[str, dict[str, np.ndarray]], list[str], list[str]]:
    """Arrays by layer and part; unknown names; names that are not needed."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    unknown, dropped = [], []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(item, h5py.Dataset) or name.startswith("optimizer_weights"):
            return
        layer, _, part = name.rpartition("/")
        layer, part = layer.rpartition("/")[2], part.partition(":")[0]
        if layer in _HEAD:
            dropped.append(name)
        elif _LAYER.fullmatch(layer):
            layers.setdefault(layer, {})[part] = np.asarray(item[()], np.float64)
        else:
            unknown.append(name)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except (OSError, ValueError) as error:
        raise errors.WeightsError(
            f"{path} is not a whole HDF5 file: {error}. Download it again."
        ) from error
    return layers, unknown, dropped


def _pair(
    pair: str,
    match: re.Match,
    conv: dict[str, np.ndarray],
    norm: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """A convolution and its batch norm under our names."""
    kernel, bias = conv["kernel"], conv.get("bias", 0.0)
    if pair == _STEM:
        layer, number = "backbone/stem", ""
        kernel, offset = _from_rgb(kernel)
        bias = bias + offset
    else:
        layer = f"backbone/res{match[2]}/block_{int(match[3]) - 1}"
        number = "_shortcut" if match[4] == "0" else f"_{match[4]}"
    values = {
        f"{layer}/conv{number}/kernel": kernel,
        f"{layer}/norm{number}/gamma": norm["gamma"],
        f"{layer}/norm{number}/beta": norm["beta"],
        f"{layer}/norm{number}/moving_mean": norm["moving_mean"] - bias,
        f"{layer}/norm{number}/moving_variance": (
            norm["moving_variance"] + (_EPSILON - normalization.EPSILON)
        ),
    }
    return {name: np.asarray(value, np.float32) for name, value in values.items()}


def _from_rgb(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A kernel for normalised RGB, from one for BGR minus its mean.

    BGR - mean = deviation * normalised + (our mean - their mean), channel by channel.

    Returns:
        [h, w, 3, O], and what the difference of the means adds to the output, [O].
    """
    rgb = kernel[:, :, ::-1]
    offset = np.einsum("hwio,i->o", rgb, _RGB_MEAN - _BGR_MEAN[::-1])
    return rgb * _RGB_DEVIATION[:, np.newaxis], offset


def _another(path: pathlib.Path, why: str) -> errors.WeightsError:
    return errors.WeightsError(
        f"{path} holds another architecture: {why}. Expected the HDF5 file of Keras "
        "applications' ResNet50 or ResNet101 (version 1), with layers conv1_conv, "
        "conv1_bn, conv2_block1_1_conv and so on."
    )
