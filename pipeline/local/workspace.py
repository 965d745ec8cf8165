"""The folder that holds all state of the pipeline on one machine."""

import contextlib
import datetime
import fcntl
import os
import pathlib
from collections.abc import Iterator, Sequence

from foundation import artifact_paths, errors
from pipeline import locations


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
        with self._lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                owner = lock.read().strip() or "unknown"
                raise errors.WorkspaceError(
                    f"workspace {self.root}: in use by process {owner}. Wait for it to "
                    "end, or name another with --workspace."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def new_log(self, command: str) -> pathlib.Path:
        """Path of a fresh log file for one command."""
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
        return self.logs / f"{stamp}-{command}.log"
