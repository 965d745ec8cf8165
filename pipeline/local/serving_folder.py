"""Keeps the folder of pushed models and the metadata store in agreement."""

from components import wire
from components.atomic_pusher import objects
from foundation import artifact_paths, artifact_trees
from pipeline.metadata import store


def restore(pushed: store.Artifact) -> bool:
    """Puts a pushed version back that is no longer there, or not all of it.

    A cached Pusher does not look. Its artifact keeps a copy of the model.

    Returns:
        True when the version had to be put back.

    Raises:
        OSError: the copy cannot be read, or the version cannot be written.
    """
    version = artifact_paths.of(str(pushed.properties[wire.PUSHED_DESTINATION]))
    copy = artifact_paths.of(pushed.uri)
    if _is_whole(version, copy):
        return False
    artifact_trees.copy_tree(copy, version, last=objects.COMPLETE)
    return True


def _is_whole(version: artifact_paths.Path, copy: artifact_paths.Path) -> bool:
    """Whether a version has all that its copy has; without a copy, that it loads."""
    if not (version / objects.COMPLETE).is_file():
        return False
    return not copy.is_dir() or not artifact_trees.lacking(version, copy)
