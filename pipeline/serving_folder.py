"""Keeps the folder of pushed models and the metadata store in agreement."""

import contextlib
import pathlib
import shutil
from collections.abc import Iterator

from pipeline import store

_COMPLETE = "saved_model.pb"  # what the Pusher copies last


@contextlib.contextmanager
def cleared_on_failure(serving: pathlib.Path) -> Iterator[None]:
    """Removes versions that appeared while the block failed or was interrupted.

    The Pusher writes outside the artifact folders that TFX cleans up, so a version it
    did not finish, or finished and could not record, would be served all the same.
    """
    before = _versions(serving)
    try:
        yield
    except BaseException:
        for version in _versions(serving) - before:
            shutil.rmtree(version, ignore_errors=True)
        raise


def restore(pushed: store.Artifact) -> bool:
    """Puts a pushed version back that is no longer there.

    A cached Pusher does not look. Its artifact keeps a copy of the model.

    Returns:
        True when the version had to be put back.

    Raises:
        OSError: the copy cannot be written.
    """
    version = pathlib.Path(str(pushed.properties["pushed_destination"]))
    if (version / _COMPLETE).is_file():
        return False
    partial = version.with_name(f".{version.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(version, ignore_errors=True)
    shutil.copytree(pushed.uri, partial)
    partial.replace(version)
    return True


def _versions(serving: pathlib.Path) -> set[pathlib.Path]:
    return {path for path in serving.glob("*/*") if path.is_dir()}
