"""A folder that a command writes: it appears when all of it is there, or not at all."""

import contextlib
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Sequence

from foundation import artifact_trees, errors

# Says that the folder may be replaced: nobody but the command put anything into it.
_MARK = ".written_by_m2f"


def require_free(
    out: pathlib.Path, inputs: Sequence[pathlib.Path], force: bool
) -> None:
    """Checks that the folder may be written.

    Args:
        inputs: what is read; it must not be in the folder, nor the folder in it.
        force: an earlier output of this project may be replaced.

    Raises:
        UserError: it may not.
    """
    target = out.resolve()
    for folder in (each.resolve() for each in inputs):
        if target.is_relative_to(folder) or folder.is_relative_to(target):
            raise errors.UserError(
                f"--out {out}: lies inside of the data {folder}, or the data inside of "
                "it. Name a folder beside it."
            )
    if not out.absolute().parent.is_dir():
        raise errors.UserError(
            f"--out {out}: there is no folder {out.absolute().parent}. Make it."
        )
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / _MARK).is_file():
        raise errors.UserError(
            f"--out {out}: exists and is not something that m2f wrote. Name another "
            "folder."
        )
    if not force:
        raise errors.UserError(
            f"--out {out}: exists. Name another, or replace it with --force."
        )


def discard(out: pathlib.Path, files: Iterable[str]) -> None:
    """Removes an earlier output that holds some of these files and nothing else."""
    if (out / _MARK).is_file() and {p.name for p in out.iterdir()} <= {_MARK, *files}:
        shutil.rmtree(out)


@contextlib.contextmanager
def written(out: pathlib.Path, force: bool) -> Iterator[pathlib.Path]:
    """Yields a folder beside `out` that becomes `out` when the block ends well.

    Args:
        force: see `require_free`.
    """
    target = out.absolute()

    def is_free(_: pathlib.Path) -> bool:
        require_free(target, [], force)
        return True

    with artifact_trees.whole_folder(target, is_free) as partial:
        yield partial
        (partial / _MARK).touch()
