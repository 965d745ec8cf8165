"""Puts a model version into the serving folder in one step, or not at all.

A model server loads a version as soon as its folder is there, so the version is copied
beside it, under a name no server takes for one, and then renamed. A note in the node's
own folder says which push is on its way: whoever finds it after the process was killed
can take back what was done.
"""

import hashlib
import json
import pathlib
import shutil


def begin(pushed: pathlib.Path, base: pathlib.Path) -> pathlib.Path:
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
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    return staging


def finish(pushed: pathlib.Path, staged: pathlib.Path) -> pathlib.Path:
    """Moves a copied version into its place.

    Args:
        pushed: as given to `begin`.
        staged: `<staging folder>/<version>`, complete.

    Returns:
        Folder of the version; the next free number if another push took that one.
    """
    staging = staged.parent
    number = int(staged.name)
    while not _place(staged, staging.parent / str(number), _note(*_owner(pushed))):
        number += 1
    shutil.rmtree(staging, ignore_errors=True)
    return staging.parent / str(number)


def _place(staged: pathlib.Path, version: pathlib.Path, note: pathlib.Path) -> bool:
    """Renames, unless the version is another push's, maybe since this very moment."""
    if version.exists():
        return False
    mine = {"staging": str(staged.parent)}
    _write(note, {**mine, "version": str(version)})
    try:
        staged.rename(version)
    except OSError:
        _write(note, mine)  # or `undo` would remove what is another's
        if version.exists():
            return False
        raise
    return True


def undo(node_folder: pathlib.Path, execution_id: int | str) -> None:
    """Takes back a push whose execution did not become complete, if there was one."""
    note = _note(node_folder, execution_id)
    if not note.is_file():
        return
    for path in json.loads(note.read_text()).values():
        shutil.rmtree(path, ignore_errors=True)
    note.unlink()


def forget(node_folder: pathlib.Path, execution_id: int) -> None:
    """Removes the note once the metadata store knows of the push."""
    _note(node_folder, execution_id).unlink(missing_ok=True)


def _owner(pushed: pathlib.Path) -> tuple[pathlib.Path, str]:
    """Node folder and execution id; on Vertex AI, what stands in their places."""
    return pushed.parents[1], pushed.name


def _note(node_folder: pathlib.Path, execution_id: int | str) -> pathlib.Path:
    return node_folder / ".system" / "pushing" / f"{execution_id}.json"


def _write(note: pathlib.Path, content: dict[str, str]) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    partial = note.with_suffix(".partial")
    partial.write_text(json.dumps(content))
    partial.replace(note)
