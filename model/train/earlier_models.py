"""Models and checkpoints of this program as a start for another training.

A SavedModel says in `assets.extra` what it is, and its object graph names its
variables; a checkpoint says so in its manifest. Both are read as data: no function of
a SavedModel is loaded, and neither holds a pickle.
"""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydantic
import tensorflow as tf
from google.protobuf import message
from tensorflow.core.protobuf import saved_model_pb2

from foundation import artifact_paths, artifact_trees, errors
from model import config
from model.serve import export, model_folder, saved_model
from model.train import checkpoints, manifest, unfinished, validation
from model.weights import weights_file

# Below a Trainer's Model artifact, and below the folder of `m2f train`.
_MODEL_FOLDERS = ("Format-Serving", "model")
_PREFIX = re.compile(r"ckpt-(\d+)(?:\.json)?")
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_WEIGHTS, _AVERAGES = "weights/", "extras/averages/"
_VARIABLES = "_variables"  # of `export.ServingModule`
# What reading torn files may raise.
_DAMAGE = (
    tf.errors.OpError,
    message.DecodeError,
    ValueError,
    LookupError,
    TypeError,
)
_KINDS = (
    "wanted imagenet, a file that `m2f weights convert` wrote, a pushed model "
    "(workspace/serving/NAME, or a version below it) or a training's checkpoints "
    "(.../checkpoints, or .../checkpoints/ckpt-STEP)"
)


@dataclasses.dataclass(frozen=True)
class Earlier:
    """What was found at a place.

    Attributes:
        place: the version of a model, or `<folder>/ckpt-<step>`; content that is found
            again there is the same.
        step: of a checkpoint; None for a model.
        why: how it was chosen among others, for people.
    """

    place: artifact_paths.Path
    step: int | None
    why: str = ""


def find(init_from: str) -> Earlier:
    """The newest version of a model, or the best or else newest checkpoint.

    Args:
        init_from: a model, the folder of its versions, a training's folder, its folder
            of checkpoints, or one of these.

    Raises:
        WeightsError: it is nothing of that, or damaged.
    """
    path = artifact_paths.of(init_from)
    if isinstance(path, pathlib.Path):
        path = path.expanduser().absolute()
    match = _PREFIX.fullmatch(path.name)
    if match and path.parent.is_dir() and not path.is_dir():
        step = int(match[1])
        with _named(init_from):
            _check(path.parent, step)
        return Earlier(path.with_name(manifest.prefix(step)), step)
    if not path.is_dir():
        what = "is a file of another kind" if path.is_file() else "does not exist"
        raise errors.WeightsError(f"train.init_from {init_from}: {what}; {_KINDS}.")
    for folder in (path, *(path / name for name in _MODEL_FOLDERS)):
        if found := _newest_version(folder):
            why = "" if found == folder else "the newest version"
            return Earlier(found, None, why)
    for folder in (path, path / unfinished.CHECKPOINTS):
        if steps := manifest.steps(folder):
            with _named(init_from):
                return _best(folder, steps)
    raise errors.WeightsError(
        f"train.init_from {init_from}: holds neither a model nor checkpoints; {_KINDS}."
    )


def is_checkpoint(path: artifact_paths.Path) -> bool:
    """Whether a name is that of one of a training's checkpoints."""
    return _PREFIX.fullmatch(path.name) is not None


def digest(found: Earlier) -> str:
    """SHA-256 of all that a model or a checkpoint is made of, hexadecimal."""
    result = hashlib.sha256()
    if found.step is not None:
        files = manifest.read(found.place.parent, found.step).files
        result.update(json.dumps(files, sort_keys=True).encode())
        return result.hexdigest()
    for name in sorted(artifact_trees.files(found.place)):
        result.update(f"{name}\0".encode())
        result.update(weights_file.digest(found.place / name).encode())
    return result.hexdigest()


def header(found: Earlier) -> weights_file.Header:
    """What the weights are: the network's settings and its classes.

    Raises:
        WeightsError: it does not say, or in a way that this version does not know.
    """
    with _named(str(found.place)):
        if found.step is None:
            told, classes = _told_by_model(found.place)
            source = "a pushed model"
        else:
            told, classes = _told_by_checkpoint(found.place.parent, found.step)
            source = f"checkpoint of step {found.step}"
        if found.why:
            source += f", {found.why}"
        try:
            network = config.ModelConfig.model_validate(told)
        except pydantic.ValidationError as error:
            reason = "; ".join(each["msg"] for each in error.errors()[:3])
            raise errors.WeightsError(
                f"its configuration is not one of this version: {reason}"
            ) from None
    ids = None if classes is None else tuple(number for number, _ in classes)
    names = None if classes is None else tuple(name for _, name in classes)
    return weights_file.Header(source, "", network.backbone, network, names, ids)


def read(found: Earlier) -> tuple[dict[str, np.ndarray], weights_file.Header]:
    """Float32 arrays by our names; the moving averages where there are any.

    Raises:
        WeightsError: they cannot be read.
    """
    told = header(found)
    with _named(str(found.place)):
        if found.step is None:
            return _values_of_model(found.place), told
        values, averages = _values_of_checkpoint(found.place.parent, found.step)
    if averages:
        source = f"{told.source}, moving averages"
        told = dataclasses.replace(told, source=source)
    return {**values, **averages}, told


@contextlib.contextmanager
def _named(place: str) -> Iterator[None]:
    """Whatever is wrong with a place is one error that names it and the key."""
    try:
        yield
    except (errors.ModelFileError, errors.WeightsError, manifest.DamageError) as error:
        raise errors.WeightsError(f"train.init_from {place}: {error}") from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:300]
        raise errors.WeightsError(
            f"train.init_from {place}: cannot be read: {reason}. Copy all of it again."
        ) from None


def _newest_version(folder: artifact_paths.Path) -> artifact_paths.Path | None:
    try:
        return model_folder.newest_version(folder)
    except errors.ModelFileError:
        return None


def _best(folder: artifact_paths.Path, steps: list[int]) -> Earlier:
    """The step that was judged best, and the newest if none was or it is damaged."""
    damages = []
    for step in [*_judged_best(folder, steps), *steps]:
        try:
            _check(folder, step)
        except manifest.DamageError as error:
            damages.append(str(error))
            continue
        best = step in _judged_best(folder, steps)
        why = "the one judged best" if best else "the newest that is whole"
        return Earlier(folder / manifest.prefix(step), step, why)
    raise manifest.DamageError(f"no checkpoint in it is whole: {'; '.join(damages)}")


def _judged_best(folder: artifact_paths.Path, steps: list[int]) -> list[int]:
    """The best step, if it is known and was kept."""
    for step in steps:
        with contextlib.suppress(manifest.DamageError):
            rows = manifest.read(folder, step).facts.get("validation", [])
            best = validation.best_of(validation.rows_of(rows))
            return [best.step] if best and best.step in steps else []
    return []


def _check(folder: artifact_paths.Path, step: int) -> None:
    """Raises DamageError when a checkpoint is not whole."""
    with checkpoints.readable(folder, manifest.read(folder, step)):
        pass


def _told_by_model(
    folder: artifact_paths.Path,
) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    info = saved_model.read_info(folder)
    told = json.loads(info.get("config", "{}")).get("model")
    if told is None:
        raise errors.WeightsError(
            f"{folder / export.EXTRA_ASSETS / export.INFO_FILENAME} does not say which "
            "network it is. Name a model that `m2f run` or `m2f train` made."
        )
    table = saved_model.read_categories(folder)
    return told, [(each.category_id, each.name) for each in table]


def _told_by_checkpoint(
    folder: artifact_paths.Path, step: int
) -> tuple[dict[str, Any], list[tuple[int, str]] | None]:
    training = manifest.read(folder, step).training
    told: dict[str, Any] = {}
    for key, value in training.items():
        section, _, rest = key.partition(".")
        if section == "model":
            part, _, name = rest.partition(".")
            told.setdefault(part, {})[name] = value
    if not told:
        raise errors.WeightsError("it does not say which network it is of")
    classes = training.get(unfinished.CLASSES)
    return told, classes and [(number, name) for number, name in classes]


def _values_of_model(folder: artifact_paths.Path) -> dict[str, np.ndarray]:
    """By the names that the object graph has for the variables of the network."""
    content = (folder / "saved_model.pb").read_bytes()
    parsed = saved_model_pb2.SavedModel.FromString(content)
    nodes = parsed.meta_graphs[0].object_graph_def.nodes
    (listed,) = (c.node_id for c in nodes[0].children if c.local_name == _VARIABLES)
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    return {
        _own_name(nodes[child.node_id].variable.name): reader.get_tensor(
            f"{_VARIABLES}/{child.local_name}{_VALUE}"
        )
        for child in nodes[listed].children
    }


def _values_of_checkpoint(
    folder: artifact_paths.Path, step: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Weights, and averages of those that have one."""
    with checkpoints.readable(folder, manifest.read(folder, step)) as place:
        reader = tf.train.load_checkpoint(str(place / manifest.prefix(step)))
        keys = reader.get_variable_to_shape_map()
        weights, averages = (
            {
                _own_name(_unescaped(key.removeprefix(kind).removesuffix(_VALUE))): (
                    reader.get_tensor(key)
                )
                for key in keys
                if key.startswith(kind) and key.endswith(_VALUE)
            }
            for kind in (_WEIGHTS, _AVERAGES)
        )
    return weights, averages


def _unescaped(key: str) -> str:
    """TensorFlow writes a slash in a name as `.S`, and a dot as two."""
    return re.sub(r"\.(.)", lambda m: "/" if m[1] == "S" else m[1], key)


def _own_name(path: str) -> str:
    """A variable's path without the network's name, as in `weights_architecture`."""
    return path.partition("/")[2].removesuffix(":0")
