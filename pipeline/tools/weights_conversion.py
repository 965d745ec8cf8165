"""`m2f weights convert`: other implementations' weights as a start for training."""

import dataclasses
import json
import pathlib
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping

import numpy as np

from foundation import errors
from model.weights import (
    swin_rules,
    tensor_files,
    torch_files,
    weights_architecture,
    weights_file,
    weights_keras,
    weights_names,
    weights_pickle,
    weights_rules,
)

LICENCE_NOTICE = (
    "the authors' published Mask2Former weights are licensed CC BY-NC 4.0: not for "
    "commercial use, and so are models trained from them"
)
_KERAS = "keras_applications"
_READABLE = ".pkl, .safetensors, .pth, .pt or .h5"


@dataclasses.dataclass(frozen=True)
class Converted:
    """What a conversion made; as a text, what the user is told.

    Attributes:
        out: the weights file.
        header: of the weights file.
        num_weights: arrays in it.
        num_parameters: numbers in it.
        notices: what the user should know.
    """

    out: pathlib.Path
    header: weights_file.Header
    num_weights: int
    num_parameters: int
    notices: list[str]

    def __str__(self) -> str:
        header, backbone = self.header, self.header.backbone
        name = backbone.name
        if name == "resnet":
            name = f"a ResNet-{backbone.depth}"
        part = "Mask2Former with" if header.network else "the backbone only,"
        lines = [
            f"{header.source}: {part} {name}, {self.num_weights} arrays, "
            f"{self.num_parameters:,} parameters",
            *(f"notice: {notice}" for notice in self.notices),
            f"Start training from it with --set train.init_from={self.out}",
        ]
        return "\n".join(lines)


_UNNAMED_CLASSES = (
    "the file does not name its classes: for a start of the class head, name them with "
    "--categories annotations.json"
)

_NEW_NORMS = (
    "the layer norms of the four features are not part of a classifier: they start at "
    "scale 1 and shift 0"
)


def convert(
    source: pathlib.Path,
    out: pathlib.Path,
    categories_file: pathlib.Path | None = None,
    torch_python: str | None = None,
) -> Converted:
    """Converts a checkpoint and writes it whole, or not at all.

    Args:
        source: a file of one of the kinds that `m2f weights convert --help` lists.
        out: a .safetensors file, for `train.init_from`.
        categories_file: COCO JSON whose categories are those of the class head,
            ascending by id.
        torch_python: a Python interpreter that has PyTorch, to read a .pth that is
            not read here.

    Raises:
        WeightsError: the file is broken, would run code, or holds another
            architecture; the message lists every weight that has no place.
    """
    weights_file.check_exists(source)
    if out.suffix != ".safetensors":
        raise errors.WeightsError(f"{out} must end in .safetensors")
    if not out.parent.is_dir():
        raise errors.WeightsError(f"{out.parent} is not a folder; make it first")
    if source.suffix in (".h5", ".hdf5"):
        values, dropped = weights_keras.read(source)
        kind, notices = _KERAS, [weights_keras.STRIDE_NOTICE]
    else:
        found = _read(source, torch_python)
        kind, values, dropped = _translate(found, source)
        values, notices = _completed(values, _licence_notices(kind))
    header = _header(source, kind, values, categories_file)
    weights_file.save(out, values, header)
    if dropped:
        notices.append(f"not needed: {_some(dropped)}")
    if header.network and header.class_names is None:
        notices.append(_UNNAMED_CLASSES)
    size = sum(value.size for value in values.values())
    return Converted(out, header, len(values), size, notices)


def _completed(
    values: dict[str, np.ndarray], notices: list[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """What a classifier does not have is added, and told."""
    if not swin_rules.is_one(values) or not _is_backbone(values):
        return values, notices
    return swin_rules.with_feature_norms(values), [*notices, _NEW_NORMS]


def _licence_notices(kind: str) -> list[str]:
    if kind == weights_rules.DETECTRON2:
        return [LICENCE_NOTICE]
    if kind == weights_rules.HUGGING_FACE:
        return [f"{LICENCE_NOTICE}; Hugging Face's facebook/mask2former-* are those"]
    return []


def _read(source: pathlib.Path, torch_python: str | None) -> dict[str, np.ndarray]:
    """Named arrays of a checkpoint."""
    if source.suffix == ".safetensors":
        return tensor_files.read(source)[0]
    if source.suffix in (".pth", ".pt"):
        if torch_python is None:
            return torch_files.read(source)
        return _read_torch(source, torch_python)
    if source.suffix == ".pkl":
        return _arrays(weights_pickle.read(source), source)
    raise errors.WeightsError(f"{source}: expected a file ending in {_READABLE}")


def _arrays(content: object, source: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of a Detectron2 checkpoint, which lie under `model`."""
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    entries = content.items() if isinstance(content, dict) else ()
    named = {
        key: value
        for key, value in entries
        if isinstance(key, str) and isinstance(value, np.ndarray)
    }
    if not named:
        raise errors.WeightsError(
            f"{source} holds no named arrays; expected a Detectron2 checkpoint"
        )
    return named


def _read_torch(source: pathlib.Path, torch_python: str) -> dict[str, np.ndarray]:
    """Named arrays of a checkpoint, by PyTorch itself."""
    script = pathlib.Path(__file__).with_name("torch_checkpoint.py")
    with tempfile.TemporaryDirectory() as folder:
        arrays = pathlib.Path(folder) / "arrays.npz"
        command = [torch_python, str(script), str(source), str(arrays)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise errors.WeightsError(
                f"--torch-python {torch_python} cannot be started: {error}"
            ) from error
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise errors.WeightsError(f"{source} was not read by PyTorch: {why}")
        try:
            with np.load(arrays, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise errors.WeightsError(f"{source} was not read: {error}") from error


def _translate(
    found: Mapping[str, np.ndarray], source: pathlib.Path
) -> tuple[str, dict[str, np.ndarray], list[str]]:
    """The kind of checkpoint, its weights by our names, and the names dropped."""
    kind = weights_names.recognise(found)
    if kind is None:
        raise errors.WeightsError(
            f"{source} holds another architecture: none of its {len(found)} names is "
            f"known, such as {_some(sorted(found), 3)}. Expected Mask2Former with a "
            "ResNet or Swin by Detectron2 or Hugging Face, a ResNet by torchvision or "
            "timm, a Swin by its authors, or an EfficientNet-Lite0 or -Lite2 by "
            "efficientnet_lite_pytorch."
        )
    mapped = weights_names.translate(found, kind)
    if mapped.unknown:
        raise errors.WeightsError(
            f"{source} looks like {kind}, but not all of it has a place here.\n"
            + weights_architecture.listed("unknown", mapped.unknown)
        )
    return kind, mapped.weights, mapped.dropped


def _header(
    source: pathlib.Path,
    kind: str,
    values: Mapping[str, np.ndarray],
    categories_file: pathlib.Path | None,
) -> weights_file.Header:
    """What the weights are, once they are known to be all there."""
    where = str(source)
    backbone = weights_architecture.backbone_of(values, where)
    network, names, ids = None, None, None
    if not _is_backbone(values):
        network, num_classes = weights_architecture.network_of(values, where)
        weights_architecture.check(values, network, num_classes, where)
        if kind == weights_rules.HUGGING_FACE:
            names = _label_names(source.with_name("config.json"), num_classes)
        if categories_file:
            names, ids = _categories(categories_file, num_classes)
    else:
        weights_architecture.check(values, backbone, 0, where)
    digest = weights_file.digest(source)
    return weights_file.Header(kind, digest, backbone, network, names, ids)


def _is_backbone(values: Mapping[str, np.ndarray]) -> bool:
    return all(name.startswith("backbone/") for name in values)


def _load_json(path: pathlib.Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise errors.WeightsError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise errors.WeightsError(f"{path} is not a JSON object")
    return content


def _label_names(path: pathlib.Path, num_classes: int) -> tuple[str, ...] | None:
    """Class names, which Hugging Face keeps in a file beside the weights."""
    labels = _load_json(path).get("id2label") if path.is_file() else None
    if not isinstance(labels, dict) or len(labels) != num_classes:
        return None
    ordered = [labels.get(str(index)) for index in range(num_classes)]
    # What Hugging Face writes when nobody named them.
    if any(name is None or name == f"LABEL_{i}" for i, name in enumerate(ordered)):
        return None
    return tuple(map(str, ordered))


def _categories(
    path: pathlib.Path, num_classes: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and ids of a COCO file's categories, ascending by id."""
    content = _load_json(path)
    try:
        entries = content["categories"]
        table = sorted((int(entry["id"]), str(entry["name"])) for entry in entries)
    except (TypeError, KeyError, ValueError) as error:
        raise errors.WeightsError(
            f"{path}: expected COCO JSON with `categories` of `id` and `name`"
        ) from error
    if len(table) != num_classes:
        raise errors.WeightsError(
            f"{path} has {len(table)} categories, and the checkpoint {num_classes} "
            "classes. Name the file the checkpoint was trained on, or none."
        )
    return tuple(name for _, name in table), tuple(number for number, _ in table)


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
