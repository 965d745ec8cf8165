"""Weights to start training from: the file `m2f weights convert` writes.

The file is in the safetensors format, for three reasons: it cannot run code, a cut-off
file is noticed, and its header has room for what the weights are.
"""

import dataclasses
import hashlib
import json
import logging
import pathlib
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from foundation import artifact_paths, errors
from model import config
from model.examples import categories
from model.weights import tensor_files, weights_architecture

_FORMAT = "mask2former-tfx weights 1"
_KERNEL, _BIAS = "decoder/class_head/kernel", "decoder/class_head/bias"
# Any norm with batch statistics can take those of any other.
_NORMS_WITH_STATISTICS = ("frozen_batch", "batch")


@dataclasses.dataclass(frozen=True)
class Header:
    """What a weights file says about itself.

    Attributes:
        source: where the weights come from, such as `detectron2`.
        source_digest: SHA-256 of that file, hexadecimal.
        backbone: the ResNet.
        network: the whole network, or None when there is only the backbone.
        class_names: of the class head in its order; None when unknown.
        category_ids: likewise.
    """

    source: str
    source_digest: str
    backbone: config.BackboneConfig
    network: config.ModelConfig | None
    class_names: tuple[str, ...] | None = None
    category_ids: tuple[int, ...] | None = None


def save(path: pathlib.Path, values: Mapping[str, np.ndarray], header: Header) -> None:
    """Writes a weights file.

    Args:
        values: float32 arrays by our names.
    """
    fields = dataclasses.asdict(header)
    fields["backbone"] = header.backbone.model_dump(mode="json")
    if header.network:
        fields["network"] = header.network.model_dump(mode="json")
    texts = {key: json.dumps(value) for key, value in fields.items()}
    tensor_files.write(path, values, {"format": _FORMAT, **texts})


def read(path: artifact_paths.Path) -> tuple[dict[str, np.ndarray], Header]:
    """Reads a weights file.

    Raises:
        WeightsError: there is no such file, or it is of another kind.
    """
    check_exists(path)
    values, texts = tensor_files.read(path)
    if texts.pop("format", None) != _FORMAT:
        raise errors.WeightsError(
            f"{path} was not made by this program. Make it usable first: "
            f"m2f weights convert {path} OUT.safetensors"
        )
    fields = {key: json.loads(text) for key, text in texts.items()}
    fields["backbone"] = config.BackboneConfig.model_validate(fields["backbone"])
    if fields["network"]:
        fields["network"] = config.ModelConfig.model_validate(fields["network"])
    for key in ("class_names", "category_ids"):
        fields[key] = tuple(fields[key]) if fields[key] is not None else None
    return values, Header(**fields)


def digest(path: artifact_paths.Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        WeightsError: there is no such file.
    """
    check_exists(path)
    found = hashlib.sha256()
    for piece in artifact_paths.pieces(path):
        found.update(piece)
    return found.hexdigest()


def check_exists(path: artifact_paths.Path) -> None:
    """Refuses a path that is no file.

    Raises:
        WeightsError: it is none.
    """
    if not path.is_file():
        raise errors.WeightsError(f"{path} is not a file; expected a weights file")


def check_random_start(backbone: config.BackboneConfig) -> None:
    """Refuses norms that take their statistics from weights, where there are none.

    Raises:
        ConfigError: the backbone has them.
    """
    if backbone.norm == "frozen_batch":
        raise errors.ConfigError(
            "model.backbone.norm: frozen_batch keeps the statistics of the weights it "
            "starts from, and train.init_from names none, so that it would normalise "
            "nothing. Name weights that `m2f weights convert` made (train.init_from), "
            "or train from scratch with model.backbone.norm=group."
        )


def check_fits(path: artifact_paths.Path, settings: config.ModelConfig) -> None:
    """Refuses weights that the configured network cannot take.

    Raises:
        WeightsError: they cannot be read, or are of another architecture.
    """
    _compare_settings(read(path)[1], settings, path)


def load_into(
    network: keras.Model,
    path: artifact_paths.Path,
    classes: Sequence[categories.Category],
) -> list[str]:
    """Sets a network's weights, or only its backbone's, from a weights file.

    The rows of the class head go to the classes of the same name, or of the same
    category id when the file has no names; a class that the file does not know keeps
    its random row.

    Args:
        network: made by `mask2former.build`.
        classes: in the order of their class indices.

    Returns:
        What to tell the user.

    Raises:
        WeightsError: the weights are of another architecture.
    """
    values, header = read(path)
    _compare_settings(header, network.model_config, path)
    part, wanted = _wanted(network, header)
    notices = [f"{part} starts from {path} ({header.source})"]
    if header.network:
        fresh = {name: wanted[name].numpy() for name in (_KERNEL, _BIAS)}
        head, notice = _class_head(values, fresh, header, classes)
        values = {**values, **head}
        notices.append(notice)
    shapes = {name: value.shape for name, value in values.items()}
    expected = {name: tuple(weight.shape) for name, weight in wanted.items()}
    weights_architecture.compare(shapes, expected, str(path))
    for name, weight in wanted.items():
        weight.assign(values[name])
    for notice in notices:
        logging.info("Weights: %s", notice)
    return notices


def _wanted(network: keras.Model, header: Header) -> tuple[str, dict]:
    """The part of a network that a file is for, and its weights by their names."""
    wanted = {
        weights_architecture.own_name(weight): weight for weight in network.weights
    }
    if header.network:
        return "the whole network", wanted
    backbone = {k: v for k, v in wanted.items() if k.startswith("backbone/")}
    return "the backbone", backbone


def _compare_settings(
    header: Header, wanted: config.ModelConfig, path: artifact_paths.Path
) -> None:
    """Compares sizes, and what no shape tells: heads, groups, kind of norm."""
    theirs = _settings(header.backbone, header.network)
    ours = _settings(wanted.backbone, wanted if header.network else None)
    differences = [
        f"{key}: expected {ours[key]}, got {theirs[key]}"
        for key in ours
        if theirs[key] != ours[key]
    ]
    if wanted.backbone.norm not in _NORMS_WITH_STATISTICS:
        differences.append(
            f"model.backbone.norm: expected {wanted.backbone.norm}, got batch norm "
            f"(set {' or '.join(_NORMS_WITH_STATISTICS)})"
        )
    if differences:
        raise errors.WeightsError(
            f"{path} holds another architecture than the configuration asks for:\n  "
            + "\n  ".join(differences)
        )


def _settings(
    resnet: config.BackboneConfig, network: config.ModelConfig | None
) -> dict[str, object]:
    """Values by the keys of the configuration."""
    values = {
        f"model.backbone.{k}": getattr(resnet, k) for k in ("depth", "stem_width")
    }
    for section in ("pixel_decoder", "decoder") if network else ():
        for key, value in getattr(network, section).model_dump().items():
            values[f"model.{section}.{key}"] = value
    return values


def _class_head(
    values: Mapping[str, np.ndarray],
    fresh: Mapping[str, np.ndarray],
    header: Header,
    classes: Sequence[categories.Category],
) -> tuple[dict[str, np.ndarray], str]:
    """The class head for our classes, from the file's where they are the same."""
    kernel, bias = values[_KERNEL], values[_BIAS]  # [C, K' + 1], [K' + 1]
    num_theirs = kernel.shape[1] - 1
    if header.class_names is None and header.category_ids is None:
        if num_theirs == len(classes):
            notice = (
                f"the file does not name its {num_theirs} classes; they were taken to "
                "be those of the data, in the order of their ids"
            )
            return {}, notice
        matches = {}
    else:
        matches = _matches(header, classes)
    head = {_KERNEL: fresh[_KERNEL].copy(), _BIAS: fresh[_BIAS].copy()}
    if matches:
        theirs, ours = [*matches.values(), num_theirs], [*matches, len(classes)]
        head[_KERNEL][:, ours] = kernel[:, theirs]
        head[_BIAS][ours] = bias[theirs]
    new = [item.name for index, item in enumerate(classes) if index not in matches]
    notice = (
        f"{len(matches)} of {len(classes)} classes start from the file's "
        f"{num_theirs}; " + (f"re-initialised: {_some(new)}" if new else "none is new")
    )
    return head, notice


def _matches(header: Header, classes: Sequence[categories.Category]) -> dict[int, int]:
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
