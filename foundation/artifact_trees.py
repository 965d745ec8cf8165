"""Folders of artifacts with all that is in them: copied, moved, compared.

So that nothing is ever seen half written, a folder is made beside its place and renamed
into it. An object store renames no folders: there one file is written last, and
whoever sees it sees all others.
"""

import contextlib
import errno
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence

from foundation import artifact_paths

_MOST_NAMES = 5  # that an error lists


def files(folder: artifact_paths.Path) -> dict[str, int]:
    """Sizes in bytes of all files below a folder, by their paths within it.

    Raises:
        OSError: it is not there, or not all of it can be seen.
    """
    sizes = {}
    for path in _paths(folder):
        if isinstance(path, pathlib.Path):
            size = path.stat().st_size
        else:
            with artifact_paths.asked(path) as gfile:
                size = gfile.stat(str(path)).length
        sizes[_within(path, folder)] = size
    return sizes


def lacking(copy: artifact_paths.Path, source: artifact_paths.Path) -> list[str]:
    """Files of a folder that a copy of it does not have, or has in another size."""
    wanted = files(source)
    try:
        found = files(copy)
    except FileNotFoundError:
        found = {}
    return [name for name, size in wanted.items() if found.get(name) != size]


def check_copy(copy: artifact_paths.Path, source: artifact_paths.Path) -> None:
    """Refuses a copy that is not whole.

    Raises:
        OSError: naming files that it lacks.
    """
    if names := lacking(copy, source):
        listed = ", ".join(names[:_MOST_NAMES])
        raise OSError(
            errno.EIO,
            f"{len(names)} files of {source} are missing or of another size: {listed}",
            str(copy),
        )


def copy_tree(
    source: artifact_paths.Path, target: artifact_paths.Path, last: str
) -> None:
    """Copies a folder; whoever sees the file `last` in the target sees all of it.

    Args:
        target: replaced if it is there and lacks something. Files of the same name and
            size count as the same, so a target that is whole is never torn.
        last: name of a file of the folder.

    Raises:
        OSError: it could not be copied; an object store may then have parts of it.
    """
    names = _in_order(source, last)
    if isinstance(target, pathlib.Path):
        _copy_to_folder(source, target, names)
    else:
        _copy_to_store(source, target, names)


def move_objects(
    source: artifact_paths.RemotePath, target: artifact_paths.RemotePath, last: str
) -> None:
    """Moves the files of a folder one by one into a place where there is none.

    Args:
        last: name of a file of the folder: where it is, all others are.

    Raises:
        OSError: a file could not be moved; parts may be in both places.
    """
    for name in _in_order(source, last):
        with artifact_paths.asked(target / name) as gfile:
            gfile.rename(str(source / name), str(target / name), overwrite=True)


@contextlib.contextmanager
def local_folder(path: artifact_paths.Path) -> Iterator[pathlib.Path]:
    """A folder as others than TensorFlow can read it: itself, or a copy for a time."""
    if isinstance(path, pathlib.Path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="m2f_copy_") as name:
        here = pathlib.Path(name)
        _copy_files(path, here, [_within(file, path) for file in _paths(path)])
        yield here


@contextlib.contextmanager
def whole_folder(
    target: pathlib.Path,
    may_replace: Callable[[pathlib.Path], bool] = lambda _: True,
) -> Iterator[pathlib.Path]:
    """Yields a folder beside `target` that becomes `target` when the block ends well.

    Args:
        may_replace: whether it may replace what is at `target` by then, an empty folder
            apart; asked with the new folder. What is replaced stays until then.
    """
    partial = target.with_name(artifact_paths.partial_name(target))
    replaced = target.with_name(artifact_paths.partial_name(target))
    partial.mkdir(parents=True)
    try:
        yield partial
        try:
            partial.replace(target)
        except OSError:
            if not target.exists():
                raise
            if may_replace(partial):
                target.replace(replaced)
                partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if replaced.exists() and not target.exists():
            replaced.replace(target)
        shutil.rmtree(replaced, ignore_errors=True)


def _copy_to_folder(
    source: artifact_paths.Path, target: pathlib.Path, names: Sequence[str]
) -> None:
    """Copies, unless another has copied at the same time."""
    with whole_folder(target, lambda new: bool(lacking(target, new))) as new:
        if isinstance(source, pathlib.Path):
            shutil.copytree(source, new, dirs_exist_ok=True)
        else:
            _copy_files(source, new, names)


def _copy_to_store(
    source: artifact_paths.Path, target: artifact_paths.RemotePath, names: Sequence[str]
) -> None:
    """Copies beside the target and then moves: TensorFlow may leave half an object.

    When it cannot read on, it writes what it has got so far.
    """
    work = target.with_name(artifact_paths.partial_name(target))
    try:
        _copy_files(source, work, names)
        check_copy(work, source)
        move_objects(work, target, last=names[-1])
    finally:
        with contextlib.suppress(OSError):
            artifact_paths.remove_tree(work, missing_ok=True)
    for path in _paths(target):
        if _within(path, target) not in names:
            path.unlink(missing_ok=True)


def _copy_files(
    source: artifact_paths.Path, target: artifact_paths.Path, names: Sequence[str]
) -> None:
    """Copies files by their paths within a folder, in this order."""
    for name in names:
        if isinstance(target, pathlib.Path):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
        with artifact_paths.asked(target / name) as gfile:
            gfile.copy(str(source / name), str(target / name), overwrite=True)


def _in_order(source: artifact_paths.Path, last: str) -> list[str]:
    """Paths of all files within a folder, that of `last` at the end."""
    names = [_within(path, source) for path in _paths(source)]
    if last not in names:
        raise FileNotFoundError(
            errno.ENOENT, os.strerror(errno.ENOENT), str(source / last)
        )
    return sorted(names, key=lambda name: (name == last, name))


def _paths(folder: artifact_paths.Path) -> list[artifact_paths.Path]:
    """All files below a folder, those of a folder before those of folders in it.

    `pathlib` and TensorFlow have a walk of their own each, which leave out in silence
    what they were refused.
    """
    if isinstance(folder, pathlib.Path):
        return [
            pathlib.Path(place, name)
            for place, _, names in os.walk(folder, onerror=_raise)
            for name in names
        ]
    names = folder.names()
    found: list[artifact_paths.Path] = [
        folder / name for name in names if not name.endswith("/")
    ]
    for name in names:
        if name.endswith("/"):
            found += _paths(folder / name.rstrip("/"))
    return found


def _within(path: artifact_paths.Path, folder: artifact_paths.Path) -> str:
    return "/".join(path.relative_to(folder).parts)


def _raise(error: OSError) -> None:
    raise error
