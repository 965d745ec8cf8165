"""The folder that holds all state of the pipeline on one machine."""

import contextlib
import datetime
import fcntl
import os
import pathlib
from collections.abc import Iterator, Sequence

from foundation import artifact_paths, errors
from pipeline import locations

_TRAINING_MARK = ".trained_by_m2f"


class Workspace:
    """Paths below one folder; nothing is written anywhere else."""

    def __init__(self, root: pathlib.Path):
        self.root = root.expanduser().absolute()
        self.artifacts = self.root / "artifacts"
        self.metadata = self.root / "metadata.sqlite"
        self.serving = self.root / "serving"
        self.logs = self.root / "logs"
        self.toy_data = self.root / "toy_coco"
        self._lock = self.root / ".lock"

    def create(self) -> None:
        """Makes the folders.

        Raises:
            WorkspaceError: when the folder cannot be made or written.
        """
        if reason := artifact_paths.pattern_fault(str(self.root)):
            raise errors.WorkspaceError(
                f"workspace {self.root}: {reason}. Name another with --workspace."
            )
        try:
            for folder in (self.artifacts, self.serving, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise errors.WorkspaceError(
                f"workspace {self.root}: cannot be created: {error.strerror}. Name "
                "another with --workspace."
            ) from None
        folders = [self.root, self.artifacts, self.serving, self.logs]
        folders += [path for path in self.artifacts.iterdir() if path.is_dir()]
        files = [path for path in (self.metadata, self._lock) if path.exists()]
        for path in (*folders, *files):
            if not os.access(path, os.W_OK):
                raise errors.WorkspaceError(
                    f"workspace {self.root}: {path} is not writable by this user. "
                    "Change its permissions or name another with --workspace."
                )

    def run_locations(self, data: Sequence[pathlib.Path]) -> locations.Locations:
        """Where runs on these folders of annotated images read and write."""
        roots = tuple(str(root.expanduser().absolute()) for root in data)
        return locations.Locations(roots, self.artifacts, self.serving)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second run out while the block runs.

        Raises:
            WorkspaceError: when another process holds the workspace.
        """
        with locked(self._lock, f"workspace {self.root}", "--workspace"):
            yield

    def new_log(self, command: str) -> pathlib.Path:
        """Path of a fresh log file for one command."""
        return new_log(self.logs, command)


@contextlib.contextmanager
def locked(file: pathlib.Path, what: str, option: str) -> Iterator[None]:
    """Keeps a second command out of a folder while the block runs.

    Args:
        file: is made.
        what: the folder, for people.
        option: that names another.

    Raises:
        WorkspaceError: when another process holds it.
    """
    with file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise errors.WorkspaceError(
                f"{what}: in use by process {owner}. Wait for it to end, or name "
                f"another with {option}."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def new_log(folder: pathlib.Path, command: str) -> pathlib.Path:
    """Path of a fresh log file for one command."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
    return folder / f"{stamp}-{command}.log"


def training_folder(out: pathlib.Path, inputs: Sequence[pathlib.Path]) -> pathlib.Path:
    """Makes the folder of a training alone, if it is not there; its absolute path.

    Raises:
        WorkspaceError: it is something else, cannot be made, or lies inside of what is
            read.
    """
    root = out.expanduser().absolute()
    where = f"--out {root}"
    if reason := artifact_paths.pattern_fault(str(root)):
        raise errors.WorkspaceError(f"{where}: {reason}. Name another folder.")
    for folder in (each.expanduser().absolute() for each in inputs):
        if folder in (root, *root.parents):
            raise errors.WorkspaceError(
                f"{where}: lies inside of {folder}, which is read. Name a folder "
                "beside it."
            )
    mark = root / _TRAINING_MARK
    if root.exists() and not mark.is_file() and (root.is_file() or any(root.iterdir())):
        raise errors.WorkspaceError(
            f"{where}: exists and is no folder of `m2f train`. Name another."
        )
    try:
        (root / "logs").mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise errors.WorkspaceError(
            f"{where}: cannot be written: {error.strerror}. Name another folder."
        ) from None
    return root
