"""Places where artifacts are kept: folders, or an object store such as `gs://`.

A folder is a `pathlib.Path`. A place in an object store is a `RemotePath`, which has
the same methods and asks TensorFlow's file systems. What the two do in different ways
is a function here. For folders with all that is in them see `artifact_trees`.

A store may refuse a single request, and what was refused is not absent: only "not
found" is taken for that, any other error is raised.

TensorFlow is imported at the first use of a remote path, and not for folders.
"""

import contextlib
import errno
import fnmatch
import os
import pathlib
import shutil
import types
import uuid
from collections.abc import Iterator

_PATTERN = "*?[]"  # what is no plain character where TensorFlow lists files
_SCHEME, _SCHEME_END = "gs", "://"
_PARTS_OF_BUCKET = 2  # `gs:` and its name
_PIECE = 1 << 24  # bytes that are read at a time


class RemotePath(pathlib.PurePosixPath):
    """A place in an object store, such as `gs://bucket/folder/file`.

    A folder is what objects have in common at the beginning of their names.

    Raises:
        OSError: from all methods that ask the store.
    """

    def __str__(self) -> str:
        # The parts are `gs:`, `bucket`, `folder`: one slash of two is lost.
        text = super().__str__()
        scheme, colon, rest = text.partition(":/")
        return f"{scheme}{_SCHEME_END}{rest}" if colon and "/" not in scheme else text

    def exists(self) -> bool:
        with asked(self) as gfile:
            return gfile.exists(str(self))

    def is_dir(self) -> bool:
        try:
            with asked(self) as gfile:
                # TensorFlow's `isdir` is False when it was refused. With the slash it
                # asks for a folder: a file of that name is none.
                return gfile.stat(f"{self}/").is_directory
        except FileNotFoundError:
            return False

    def is_file(self) -> bool:
        try:
            with asked(self) as gfile:
                return not gfile.stat(str(self)).is_directory
        except FileNotFoundError:
            return False

    def names(self) -> list[str]:
        """Names of what is in a folder; those of folders end with a slash."""
        with _asked_of_folder(self) as gfile:
            found = gfile.listdir(str(self))
        if "/" in found:
            raise OSError(errno.EINVAL, "a folder in it has no name", str(self))
        return found

    def iterdir(self) -> Iterator["RemotePath"]:
        for name in self.names():
            yield self / name.rstrip("/")

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """What fits a pattern, one part of it for each level; nothing without a folder.

        TensorFlow's own would take brackets in the folder's name for a pattern.
        """
        first, _, rest = pattern.partition("/")
        try:
            children = sorted(self.iterdir())
        except FileNotFoundError:
            return
        for child in children:
            if fnmatch.fnmatchcase(child.name, first):
                yield from child.glob(rest) if rest else (child,)

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Makes the folder with those above it; that it is there is no error.

        TensorFlow's `makedirs` would ask for the bucket itself, which an account that
        may use all of its objects need not be allowed.
        """
        if self.is_dir():
            return
        if len(self.parts) > _PARTS_OF_BUCKET + 1:
            self.parent.mkdir()
        with contextlib.suppress(FileExistsError), asked(self) as gfile:
            gfile.mkdir(str(self))

    def read_bytes(self) -> bytes:
        return b"".join(pieces(self))

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> None:
        """Writes an object, which others see when all of it is there."""
        with asked(self) as gfile, gfile.GFile(str(self), "wb") as file:
            file.write(content)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        self.write_bytes(text.encode(encoding))

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            with asked(self) as gfile:
                gfile.remove(str(self))
        except FileNotFoundError:
            if not missing_ok:
                raise


Path = pathlib.Path | RemotePath


def is_remote(address: str) -> bool:
    """Whether an address is not one of a folder."""
    return _SCHEME_END in address


def of(place: str | os.PathLike[str]) -> Path:
    """The path that an address names: `/mnt/pipeline/a` or `gs://bucket/a`."""
    text = os.fspath(place)
    return RemotePath(text) if is_remote(text) else pathlib.Path(text)


def pattern_fault(place: str) -> str | None:
    """Why a place of artifacts cannot have its name; None when it can."""
    if not set(place) & set(_PATTERN):
        return None
    return (
        f"holds one of {' '.join(_PATTERN)}, which TensorFlow takes for a pattern when "
        "it lists files"
    )


def fault(address: str) -> str | None:
    """Why artifacts cannot be kept at a remote address, and what to do; else None."""
    scheme, _, rest = address.partition(_SCHEME_END)
    if scheme != _SCHEME:
        return (
            f"TensorFlow 2.21 has no file system for {scheme}://, but for gs://. Mount "
            "the bucket as a volume, by a driver that can rename files (see "
            "docs/kubeflow.md), and name the path there."
        )
    bucket, _, folder = rest.partition("/")
    if not bucket or not folder.strip("/") or ".." in folder.split("/"):
        return "wanted a folder in a bucket, gs://bucket/folder."
    return None


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that others see all of it or what was there before.

    Its folder is made if it is not there.
    """
    if isinstance(path, RemotePath):
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_bytes(content)


@contextlib.contextmanager
def whole_file(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a path beside `path`; what is written there becomes it at the end.

    Nothing stays of it when the block does not end well.
    """
    partial = path.with_name(partial_name(path))
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def partial_name(path: Path) -> str:
    """A new name beside a path, which no server takes for a version of a model."""
    return f".{path.name}.{uuid.uuid4().hex}.partial"


def pieces(path: Path) -> Iterator[bytes]:
    """Reads a file a few megabytes at a time."""
    if isinstance(path, pathlib.Path):
        with path.open("rb") as file:
            yield from iter(lambda: file.read(_PIECE), b"")
        return
    with asked(path) as gfile, gfile.GFile(str(path), "rb") as file:
        # To the end: TensorFlow may remember the size of an earlier content.
        yield from iter(lambda: file.read(_PIECE), b"")


def remove_tree(path: Path, missing_ok: bool = False) -> None:
    """Removes a folder and all that is in it.

    Raises:
        OSError: something of it is left, or it was not there.
    """
    try:
        if isinstance(path, pathlib.Path):
            shutil.rmtree(path)
        else:
            with _asked_of_folder(path) as gfile:
                gfile.rmtree(str(path))
    except FileNotFoundError:
        if not missing_ok or path.exists():
            raise


@contextlib.contextmanager
def asked(path: Path) -> Iterator[types.ModuleType]:
    """TensorFlow's file systems, whose errors become those of Python.

    Raises:
        OSError: naming the path.
    """
    import tensorflow as tf

    try:
        yield tf.io.gfile
    except tf.errors.OpError as error:
        numbers = {
            tf.errors.NotFoundError: errno.ENOENT,
            tf.errors.AlreadyExistsError: errno.EEXIST,
            tf.errors.PermissionDeniedError: errno.EACCES,
            tf.errors.UnauthenticatedError: errno.EACCES,
        }
        number = numbers.get(type(error), errno.EIO)
        reason = " ".join(error.message.split())[:300] or os.strerror(number)
        raise OSError(number, reason, str(path)) from None


@contextlib.contextmanager
def _asked_of_folder(path: RemotePath) -> Iterator[types.ModuleType]:
    """`asked`, where TensorFlow says of a folder it was refused that it is not there.

    Raises:
        OSError: FileNotFoundError if it is not there indeed.
    """
    if not path.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    try:
        with asked(path) as gfile:
            yield gfile
    except FileNotFoundError as error:
        if path.is_dir():
            raise OSError(errno.EIO, "the store refused it", str(path)) from error
        raise
