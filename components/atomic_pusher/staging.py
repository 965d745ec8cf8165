"""Puts a model version into the serving folder in one step, or not at all.

A model server loads a version as soon as its folder is there, so the version is copied
beside it, under a name no server takes for one, and then renamed. A note in the node's
own folder says which push is on its way: whoever finds it after the process was killed
can take back what was done. An object store renames no folders: see `objects`.
"""

import contextlib
import hashlib
import json
import pathlib
import typing

from components.atomic_pusher import objects
from foundation import artifact_paths


def begin(
    pushed: artifact_paths.Path, base: artifact_paths.Path
) -> artifact_paths.Path:
    """Makes the folder a push copies into.

    Args:
        pushed: folder of the output artifact, `<node>/pushed_model/<execution id>`.
        base: folder of the versions; made if it is not there.

    Returns:
        An empty folder in `base`.
    """
    name = hashlib.sha256(str(pushed).encode()).hexdigest()[:16]
    staging = base / f".pushing-{name}"
    _write(_note(*_owner(pushed)), {"staging": str(staging)})
    artifact_paths.remove_tree(staging, missing_ok=True)
    staging.mkdir(parents=True)
    return staging


def finish(
    pushed: artifact_paths.Path, staged: artifact_paths.Path
) -> artifact_paths.Path:
    """Moves a copied version into its place.

    Args:
        pushed: as given to `begin`.
        staged: `<staging folder>/<version>`, complete.

    Returns:
        Folder of the version; the next free number if another push took that one.
    """
    staging = staged.parent
    version = staging.parent / staged.name
    is_remote = isinstance(staged, artifact_paths.RemotePath)
    place = objects.place if is_remote else _place
    note = _note(*_owner(pushed))
    while not place(staged, version, lambda content: _write(note, content)):
        step = objects.step() if is_remote else 1
        version = version.with_name(str(int(version.name) + step))
    with contextlib.suppress(OSError):  # the version is complete without that
        artifact_paths.remove_tree(staging)
    return version


def _place(
    staged: artifact_paths.Path,
    version: artifact_paths.Path,
    write_note: objects.WriteNote,
) -> bool:
    """Renames, unless the version is another push's, maybe since this very moment."""
    if version.exists():
        return False
    mine = {"staging": str(staged.parent)}
    write_note({**mine, "version": str(version)})
    try:
        typing.cast(pathlib.Path, staged).rename(version)  # objects are put elsewhere
    except OSError:
        write_note(mine)  # or `undo` would remove what is another's
        if version.exists():
            return False
        raise
    return True


def undo(node_folder: artifact_paths.Path, execution_id: int | str) -> None:
    """Takes back a push whose execution did not become complete, if there was one.

    Raises:
        OSError: something of it is left; the note stays, for another try.
    """
    note = _note(node_folder, execution_id)
    if not note.is_file():
        return
    content = json.loads(note.read_text())
    claim = content.pop(objects.CLAIM, None)
    if "version" in content:
        # First what makes it complete: nobody is to load the half of it that is left.
        version = artifact_paths.of(content["version"])
        (version / objects.COMPLETE).unlink(missing_ok=True)
    for path in content.values():
        artifact_paths.remove_tree(artifact_paths.of(path), missing_ok=True)
    if claim is not None:
        artifact_paths.of(claim).unlink(missing_ok=True)
    note.unlink()


def forget(node_folder: artifact_paths.Path, execution_id: int) -> None:
    """Removes the note once the metadata store knows of the push."""
    _note(node_folder, execution_id).unlink(missing_ok=True)


def _owner(pushed: artifact_paths.Path) -> tuple[artifact_paths.Path, str]:
    """Node folder and execution id; on Vertex AI, what stands in their places."""
    return pushed.parents[1], pushed.name


def _note(
    node_folder: artifact_paths.Path, execution_id: int | str
) -> artifact_paths.Path:
    return node_folder / ".system" / "pushing" / f"{execution_id}.json"


def _write(note: artifact_paths.Path, content: dict[str, str]) -> None:
    artifact_paths.write_whole(note, json.dumps(content).encode())
