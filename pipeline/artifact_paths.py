"""Places where artifacts are kept: folders, or an object store such as `gs://`.

A folder is a `pathlib.Path`. A place in an object store is a `RemotePath`, which has
the same methods and asks TensorFlow's file systems. What the two do in different ways
so that nothing is ever seen half written is a function here: a file of a folder is
renamed into its place, an object appears when all of it is there, and of a tree of
objects one is written last.

TensorFlow is imported at the first use of a remote path, and not for folders.
"""

import contextlib
import errno
import fnmatch
import os
import pathlib
import shutil
import tempfile
import types
import uuid
from collections.abc import Iterator

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
        with _asked(self) as gfile:
            return gfile.exists(str(self))

    def is_dir(self) -> bool:
        with _asked(self) as gfile:
            return gfile.isdir(str(self))

    def is_file(self) -> bool:
        try:
            with _asked(self) as gfile:
                return not gfile.stat(str(self)).is_directory
        except FileNotFoundError:
            return False

    def iterdir(self) -> Iterator["RemotePath"]:
        with _asked(self) as gfile:
            names = gfile.listdir(str(self))
        for name in names:
            yield self / name.rstrip("/")

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """What fits a pattern, one part of it for each level; nothing without a folder.

        TensorFlow's own would take brackets in the folder's name for a pattern.
        """
        first, _, rest = pattern.partition("/")
        for child in sorted(self.iterdir()) if self.is_dir() else ():
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
        with contextlib.suppress(FileExistsError), _asked(self) as gfile:
            gfile.mkdir(str(self))

    def read_bytes(self) -> bytes:
        with _asked(self) as gfile, gfile.GFile(str(self), "rb") as file:
            # To the end: TensorFlow may remember the size of an earlier content.
            return b"".join(iter(lambda: file.read(_PIECE), b""))

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> None:
        """Writes an object, which others see when all of it is there."""
        with _asked(self) as gfile, gfile.GFile(str(self), "wb") as file:
            file.write(content)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        self.write_bytes(text.encode(encoding))

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            with _asked(self) as gfile:
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
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def remove_tree(path: Path, ignore_errors: bool = False) -> None:
    """Removes a folder and all that is in it.

    Raises:
        OSError: it is not there or cannot be removed, unless errors are ignored.
    """
    if isinstance(path, pathlib.Path):
        shutil.rmtree(path, ignore_errors=ignore_errors)
        return
    ignored = OSError if ignore_errors else ()
    with contextlib.suppress(ignored), _asked(path) as gfile:
        gfile.rmtree(str(path))


def copy_tree(source: Path, target: Path, last: str) -> None:
    """Copies a folder; whoever sees the file `last` in the target sees all of it.

    Args:
        target: replaced if it is there.
        last: name of a file of the folder.
    """
    remove_tree(target, ignore_errors=True)
    if isinstance(source, pathlib.Path) and isinstance(target, pathlib.Path):
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        partial.replace(target)
        return
    for below in _prepared(source, target, last):
        with _asked(target / below) as gfile:
            gfile.copy(str(source / below), str(target / below), overwrite=True)


def move_tree(source: Path, target: Path, last: str = "", first: str = "") -> None:
    """Moves a folder into a place where there is none.

    In an object store every file is moved for itself.

    Args:
        last: name of a file of the folder: where it is, all others are.
        first: name of a file without which the others are not used.

    Raises:
        OSError: it could not be moved; an object store may then have parts of it in
            both places.
    """
    if isinstance(source, pathlib.Path) and isinstance(target, pathlib.Path):
        shutil.move(source, target)
        return
    for below in _prepared(source, target, last, first):
        with _asked(target / below) as gfile:
            gfile.rename(str(source / below), str(target / below), overwrite=True)
    remove_tree(source, ignore_errors=True)  # marks of empty folders


@contextlib.contextmanager
def local_folder(path: Path) -> Iterator[pathlib.Path]:
    """A folder as others than TensorFlow can read it: itself, or a copy for a time."""
    if isinstance(path, pathlib.Path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="m2f_copy_") as name:
        here = pathlib.Path(name)
        for below in _prepared(path, here):
            (here / below).write_bytes((path / below).read_bytes())
        yield here


def _prepared(
    source: Path, target: Path, last: str = "", first: str = ""
) -> list[pathlib.PurePath]:
    """Makes the folders that a tree needs.

    Returns:
        Paths of the files, relative to `source`, in the order they are to go.
    """
    if isinstance(source, pathlib.Path):
        paths = [path for path in source.rglob("*") if path.is_file()]
    else:
        with _asked(source) as gfile:
            walked = list(gfile.walk(str(source)))
        paths = [
            RemotePath(folder) / name for folder, _, names in walked for name in names
        ]
    found = [path.relative_to(source) for path in paths]
    for folder in dict.fromkeys((target / below).parent for below in found):
        folder.mkdir(parents=True, exist_ok=True)
    return sorted(found, key=lambda p: (str(p) == last, str(p) != first, str(p)))


@contextlib.contextmanager
def _asked(path: RemotePath) -> Iterator[types.ModuleType]:
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
