"""What `train.init_from` names: weights that come along, a file, a model, a checkpoint.

Whatever it is, it is looked at before anything runs, its digest is part of what the
weights at the end depend on, and other content trains anew.
"""

import os
from collections.abc import Sequence

import keras

from foundation import artifact_paths
from model import config
from model.examples import categories
from model.train import earlier_models
from model.weights import starting_weights


def resolved(init_from: str | None) -> str | None:
    """The very version or checkpoint that a folder stands for now; others stay.

    Raises:
        WeightsError: it is none of what training can start from.
    """
    if init_from is None or not _is_folder(init_from):
        return init_from
    return str(earlier_models.find(init_from).place)


def check(init_from: str | None, settings: config.ModelConfig) -> None:
    """Refuses a start that the configured network cannot have.

    Raises:
        ConfigError: there are no weights, and the network cannot be trained without;
            or none come with the program for its backbone.
        WeightsError: they cannot be read, or are of another architecture.
    """
    if init_from is None or not _is_folder(init_from):
        starting_weights.check(init_from, settings)
        return
    found = earlier_models.find(init_from)
    told = earlier_models.header(found)
    starting_weights.compare_settings(told, settings, init_from)


def digest(init_from: str, backbone: config.BackboneConfig) -> str:
    """SHA-256 of the weights' file or files, hexadecimal.

    Raises:
        ConfigError, WeightsError: there are none.
    """
    if _is_folder(init_from):
        return earlier_models.digest(earlier_models.find(init_from))
    return starting_weights.digest(init_from, backbone)


def load_into(
    network: keras.Model, init_from: str, classes: Sequence[categories.Category]
) -> list[str]:
    """Sets a network's weights, see `starting_weights.assign`.

    Args:
        network: made by `mask2former.build`.
        classes: in the order of their class indices.

    Returns:
        What to tell the user: what was taken, what begins anew, which classes match.

    Raises:
        WeightsError: they cannot be read, or are of another architecture.
    """
    if not _is_folder(init_from):
        return starting_weights.load_into(network, init_from, classes)
    found = earlier_models.find(init_from)
    values, told = earlier_models.read(found)
    return starting_weights.assign(network, values, told, found.place, classes)


def _is_folder(init_from: str | os.PathLike[str]) -> bool:
    """Whether a model or a checkpoint is meant, or something that is not there."""
    place = starting_weights.place_of(os.fspath(init_from))
    return place is not None and not _is_weights_file(artifact_paths.of(place))


def _is_weights_file(path: artifact_paths.Path) -> bool:
    return path.is_file() and not earlier_models.is_checkpoint(path)
