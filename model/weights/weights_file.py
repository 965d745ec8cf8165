"""The file `m2f weights convert` writes: weights by our names and what they are.

It is in the safetensors format, for three reasons: it cannot run code, a cut-off file
is noticed, and its header has room for what the weights are.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping

import numpy as np

from foundation import artifact_paths, errors
from model import config
from model.weights import tensor_files

_FORMAT = "mask2former-tfx weights 1"


@dataclasses.dataclass(frozen=True)
class Header:
    """What a weights file says about itself.

    Attributes:
        source: where the weights come from, such as `detectron2`.
        source_digest: SHA-256 of that file, hexadecimal.
        backbone: which one, and of what size.
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
