"""Weights to start training from: from a file, or those that come with the program."""

import os
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from foundation import artifact_paths, errors
from model import config
from model.examples import categories
from model.weights import bundled_weights, weights_architecture, weights_file

_KERNEL, _BIAS = "decoder/class_head/kernel", "decoder/class_head/bias"
# Any norm with batch statistics can take those of any other.
_NORMS_WITH_STATISTICS = ("frozen_batch", "batch")
_SIZES = ("name", "depth", "stem_width")  # of a backbone
_Place = str | os.PathLike[str]


def check(init_from: _Place | None, settings: config.ModelConfig) -> None:
    """Refuses a start that the configured network cannot have.

    Args:
        init_from: a weights file, or `imagenet`.

    Raises:
        ConfigError: there are no weights, and the network cannot be trained without;
            or none come with the program for its backbone.
        WeightsError: they cannot be read, or are of another architecture.
    """
    check_without_file(init_from, settings)
    if init_from is not None:
        header = _read(init_from, settings.backbone)[1]
        compare_settings(header, settings, init_from)


def check_without_file(init_from: _Place | None, settings: config.ModelConfig) -> None:
    """The part of `check` that needs no weights, which may be on another machine.

    Raises:
        ConfigError: as `check`.
        WeightsError: the backbone's norm cannot take those that come along.
    """
    if init_from is None:
        _check_random_start(settings.backbone)
    elif init_from == bundled_weights.IMAGENET:
        header = bundled_weights.header(settings.backbone)
        compare_settings(header, settings, init_from)


def place_of(init_from: str | None) -> str | None:
    """Where the weights are that do not come with the program; None without any."""
    return None if init_from == bundled_weights.IMAGENET else init_from


def digest(init_from: _Place, backbone: config.BackboneConfig) -> str:
    """SHA-256 of the file the weights are in, hexadecimal.

    Raises:
        ConfigError, WeightsError: there is no such file.
    """
    if init_from == bundled_weights.IMAGENET:
        return weights_file.digest(bundled_weights.path_of(backbone))
    return weights_file.digest(artifact_paths.of(init_from))


def _check_random_start(backbone: config.BackboneConfig) -> None:
    """Refuses norms that take their statistics from weights, where there are none."""
    if backbone.norm == "frozen_batch" and not backbone.is_swin:
        weights = "weights that `m2f weights convert` made"
        if bundled_weights.are_there_for(backbone):
            weights = f"{bundled_weights.IMAGENET}, or {weights}"
        raise errors.ConfigError(
            "model.backbone.norm: frozen_batch keeps the statistics of the weights it "
            "starts from, and train.init_from names none, so that it would normalise "
            f"nothing. Name {weights} (train.init_from), or train from scratch with "
            "model.backbone.norm=group."
        )


def _read(
    init_from: _Place, backbone: config.BackboneConfig
) -> tuple[dict[str, np.ndarray], weights_file.Header]:
    if init_from == bundled_weights.IMAGENET:
        return bundled_weights.read(backbone)
    return weights_file.read(artifact_paths.of(init_from))


def load_into(
    network: keras.Model,
    init_from: _Place,
    classes: Sequence[categories.Category],
) -> list[str]:
    """Sets a network's weights, or only its backbone's, from a weights file.

    Args:
        network: made by `mask2former.build`.
        init_from: a weights file, or `imagenet`.
        classes: in the order of their class indices.

    Returns:
        What to tell the user.

    Raises:
        WeightsError: the weights are of another architecture.
    """
    values, header = _read(init_from, network.model_config.backbone)
    return assign(network, values, header, init_from, classes)


def assign(
    network: keras.Model,
    values: Mapping[str, np.ndarray],
    header: weights_file.Header,
    init_from: _Place,
    classes: Sequence[categories.Category],
) -> list[str]:
    """Sets a network's weights, or only its backbone's, from arrays by our names.

    The rows of the class head go to the classes of the same name, or of the same
    category id when theirs have no names; a class that they do not know keeps its
    random row. The row of "no object" is taken in any case.

    Args:
        network: made by `mask2former.build`.
        values: float32, all of what `header` says.
        init_from: where they are from, for people.
        classes: in the order of their class indices.

    Returns:
        What to tell the user.

    Raises:
        WeightsError: the weights are of another architecture.
    """
    compare_settings(header, network.model_config, init_from)
    part, wanted = _wanted(network, header)
    notices = [f"{part} starts from {init_from} ({header.source})"]
    if header.network:
        fresh = {name: wanted[name].numpy() for name in (_KERNEL, _BIAS)}
        head, notice = _class_head(values, fresh, header, classes)
        values = {**values, **head}
        notices.append(notice)
    shapes = {name: value.shape for name, value in values.items()}
    expected = {name: tuple(weight.shape) for name, weight in wanted.items()}
    weights_architecture.compare(shapes, expected, str(init_from))
    for name, weight in wanted.items():
        weight.assign(values[name])
    return notices


def _wanted(network: keras.Model, header: weights_file.Header) -> tuple[str, dict]:
    """The part of a network that a file is for, and its weights by their names."""
    wanted = {
        weights_architecture.own_name(weight): weight for weight in network.weights
    }
    if header.network:
        return "the whole network", wanted
    backbone = {k: v for k, v in wanted.items() if k.startswith("backbone/")}
    return "the backbone", backbone


def compare_settings(
    header: weights_file.Header, wanted: config.ModelConfig, init_from: _Place
) -> None:
    """Compares sizes, and what no shape tells: heads, groups, kind of norm.

    Raises:
        WeightsError: naming each setting that differs.
    """
    theirs = _settings(header.backbone, header.network)
    ours = _settings(wanted.backbone, wanted if header.network else None)
    differences = [
        f"{key}: expected {ours[key]}, got {theirs[key]}"
        for key in ours
        if theirs[key] != ours[key]
    ]
    norm, fitting = header.backbone.norm, [header.backbone.norm]
    if norm in _NORMS_WITH_STATISTICS:
        norm, fitting = "batch", [*_NORMS_WITH_STATISTICS]
    if wanted.backbone.norm not in fitting:
        differences.append(
            f"model.backbone.norm: expected {wanted.backbone.norm}, got {norm} norm "
            f"(set {' or '.join(fitting)})"
        )
    if differences:
        raise errors.WeightsError(
            f"train.init_from {init_from} holds another architecture than the "
            "configuration asks for:\n  " + "\n  ".join(differences)
        )


def _settings(
    backbone: config.BackboneConfig, network: config.ModelConfig | None
) -> dict[str, object]:
    """Values by the keys of the configuration."""
    values = {f"model.backbone.{key}": getattr(backbone, key) for key in _SIZES}
    for section in ("pixel_decoder", "decoder") if network else ():
        for key, value in getattr(network, section).model_dump().items():
            values[f"model.{section}.{key}"] = value
    return values


def _class_head(
    values: Mapping[str, np.ndarray],
    fresh: Mapping[str, np.ndarray],
    header: weights_file.Header,
    classes: Sequence[categories.Category],
) -> tuple[dict[str, np.ndarray], str]:
    """The class head for our classes, from the file's where they are the same."""
    kernel, bias = values[_KERNEL], values[_BIAS]  # [C, K' + 1], [K' + 1]
    num_theirs = kernel.shape[1] - 1
    if header.class_names is None and header.category_ids is None:
        if num_theirs == len(classes):
            notice = (
                f"its {num_theirs} classes have no names; they were taken to be those "
                "of the data, in the order of their ids"
            )
            return {}, notice
        matches = {}
    else:
        matches = _matches(header, classes)
    head = {_KERNEL: fresh[_KERNEL].copy(), _BIAS: fresh[_BIAS].copy()}
    theirs, ours = [*matches.values(), num_theirs], [*matches, len(classes)]
    head[_KERNEL][:, ours] = kernel[:, theirs]
    head[_BIAS][ours] = bias[theirs]
    return head, _matched(header, classes, matches, num_theirs)


def _matched(
    header: weights_file.Header,
    classes: Sequence[categories.Category],
    matches: Mapping[int, int],
    num_theirs: int,
) -> str:
    """Which classes go on and which begin anew, for people."""
    how = "id" if header.class_names is None else "name"
    known = [item.name for index, item in enumerate(classes) if index in matches]
    new = [item.name for index, item in enumerate(classes) if index not in matches]
    told = f"{len(matches)} of {len(classes)} classes start from its {num_theirs}"
    if known:
        told += f", by {how}: {_some(known)}"
    return told + (f"; new, from random: {_some(new)}" if new else "; none is new")


def _matches(
    header: weights_file.Header, classes: Sequence[categories.Category]
) -> dict[int, int]:
    """The file's class for each of ours that it has."""
    known: dict[str | int, int]
    keys: list[str | int]
    if header.class_names is not None:
        known = {_folded(name): place for place, name in enumerate(header.class_names)}
        keys = [_folded(item.name) for item in classes]
    else:
        ids = header.category_ids or ()
        known = {number: place for place, number in enumerate(ids)}
        keys = [item.category_id for item in classes]
    return {index: known[key] for index, key in enumerate(keys) if key in known}


def _folded(name: str) -> str:
    return name.strip().casefold()


def _some(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
