"""What belongs to a checkpoint: its files with their digests, written last.

A checkpoint is there when its manifest is, and whole when every file is as the manifest
says; the manifest holds a digest of itself. So whatever becomes of a file is noticed,
and a checkpoint that was being written when the process ended has no manifest. Light on
purpose: no TensorFlow where checkpoints are in folders.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import pathlib
import re
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

from foundation import artifact_paths

_FILE = re.compile(r"ckpt-(\d+)[._].+")
_DAMAGED_DISK = (errno.EIO,)


class DamageError(Exception):
    """A checkpoint is not whole; the message says in which way."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    """One checkpoint.

    Attributes:
        step: batches seen.
        saved_at: seconds since 1970.
        training: what is trained, see `unfinished.description`.
        facts: of `state.State`.
        files: size and SHA-256 by name.
    """

    step: int
    saved_at: float
    training: dict[str, Any]
    facts: dict[str, Any]
    files: dict[str, tuple[int, str]]


def prefix(step: int) -> str:
    """How the names of a checkpoint's files begin."""
    return f"ckpt-{step}"


def name(step: int) -> str:
    """The manifest's own name."""
    return f"{prefix(step)}.json"


def step_of(file: str) -> int | None:
    """Which checkpoint a file belongs to; None for any other file."""
    match = _FILE.fullmatch(file)
    return int(match[1]) if match else None


def steps(folder: artifact_paths.Path) -> list[int]:
    """Steps of which there is anything, the newest first."""
    if not folder.is_dir():
        return []
    found = {step_of(path.name) for path in folder.iterdir()}
    return sorted((step for step in found if step is not None), reverse=True)


def write(
    folder: artifact_paths.Path,
    step: int,
    files: Mapping[str, tuple[int, str]],
    training: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Makes a checkpoint count whose files are there."""
    made = Manifest(step, time.time(), dict(training), dict(facts), dict(files))
    content = dataclasses.asdict(made)
    text = json.dumps({"manifest": content, "sha256": _digest_of(content)})
    artifact_paths.write_whole(folder / name(step), text.encode())


def read(folder: artifact_paths.Path, step: int) -> Manifest:
    """Reads a manifest.

    Raises:
        DamageError: it is not there or not as it was written.
        OSError: it could not be read for another reason.
    """
    place = folder / name(step)
    try:
        text = place.read_bytes()
    except FileNotFoundError:
        raise DamageError(f"{place.name} is missing: not written to its end") from None
    except OSError as error:
        raise _damage_or(error, place) from error
    try:
        content = json.loads(text)
        found, digest = content["manifest"], content["sha256"]
        files = {key: (size, sha) for key, (size, sha) in found.pop("files").items()}
        made = Manifest(files=files, **found)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise DamageError(f"{place.name} cannot be read") from None
    if digest != _digest_of(dataclasses.asdict(made)) or made.step != step:
        raise DamageError(f"{place.name} is not as it was written")
    return made


def check(
    folder: artifact_paths.Path, made: Manifest, copy_to: pathlib.Path | None = None
) -> None:
    """Holds every file against the manifest.

    Args:
        copy_to: a folder that gets a copy of each.

    Raises:
        DamageError: a file is missing, cut short or changed.
        OSError: one could not be read for another reason.
    """
    for file, (size, digest) in made.files.items():
        place = folder / file
        try:
            found = measure(place, copy_to / file if copy_to else None)
        except FileNotFoundError:
            raise DamageError(f"{file} is missing") from None
        except OSError as error:
            raise _damage_or(error, place) from error
        if found[0] != size:
            raise DamageError(f"{file} has {found[0]} of {size} bytes")
        if found[1] != digest:
            raise DamageError(f"{file} is not as it was written")


def measure(
    place: artifact_paths.Path, copy: pathlib.Path | None = None
) -> tuple[int, str]:
    """Size and SHA-256 of a file, which may be copied on the way."""
    size, digest = 0, hashlib.sha256()
    with contextlib.ExitStack() as stack:
        target: BinaryIO | None = stack.enter_context(copy.open("wb")) if copy else None
        for piece in artifact_paths.pieces(place):
            size += len(piece)
            digest.update(piece)
            if target:
                target.write(piece)
    return size, digest.hexdigest()


def _digest_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damage_or(error: OSError, place: artifact_paths.Path) -> Exception:
    """A disk that cannot read is damage; a store that refuses a request is not."""
    if isinstance(place, pathlib.Path) and error.errno in _DAMAGED_DISK:
        return DamageError(f"{place.name}: {error.strerror}")
    return error
