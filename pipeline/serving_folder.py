"""Keeps the folder of pushed models and the metadata store in agreement."""

import pathlib
import shutil

from pipeline import store

_COMPLETE = "saved_model.pb"  # what the Pusher copies last


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
