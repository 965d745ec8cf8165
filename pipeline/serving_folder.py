"""Keeps the folder of pushed models and the metadata store in agreement."""

from components.atomic_pusher import objects
from pipeline import artifact_paths, store


def restore(pushed: store.Artifact) -> bool:
    """Puts a pushed version back that is no longer there.

    A cached Pusher does not look. Its artifact keeps a copy of the model.

    Returns:
        True when the version had to be put back.

    Raises:
        OSError: the copy cannot be written.
    """
    version = artifact_paths.of(str(pushed.properties["pushed_destination"]))
    if (version / objects.COMPLETE).is_file():
        return False
    artifact_paths.copy_tree(
        artifact_paths.of(pushed.uri), version, last=objects.COMPLETE
    )
    return True
