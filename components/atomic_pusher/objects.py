"""Puts a model version into an object store, where no folder is renamed in one step.

The files are moved one by one and `saved_model.pb` is the last: a version that has it
is complete, and a model server that looks before cannot load it and tries again. Two
pushes must not mix their files under one number, and "write this only if it is not
there" is nothing that TensorFlow's file systems can say. So a push first leaves a claim
beside the versions and then looks: whoever sees another's claim on the same number
gives its own up and takes a higher one. Of two that claim at the same time at least one
sees the other, because an object that is written is in every list from then on.
"""

import secrets
import typing
from collections.abc import Callable

from foundation import artifact_paths, artifact_trees

CLAIM = "claim"
COMPLETE = "saved_model.pb"
WriteNote = Callable[[dict[str, str]], None]
_LONGEST_STEP = 8


def place(
    staged: artifact_paths.Path, version: artifact_paths.Path, write_note: WriteNote
) -> bool:
    """Moves a version into its place, unless another push has or wants that number.

    Args:
        staged: `<base>/.pushing-<name>/<version>`, complete.
        write_note: keeps what has to be taken back if this process is killed.

    Raises:
        OSError: a file could not be moved; parts may be in both places.
    """
    claims = f".claim-{version.name}-"
    claim = version.with_name(claims + staged.parent.name.removeprefix(".pushing-"))
    mine = {"staging": str(staged.parent), CLAIM: str(claim)}
    write_note(mine)
    claim.write_text(str(staged))
    claimants = [path.name for path in claim.parent.glob(f"{claims}*")]
    # Asked last: a push that has removed its claim by now has its version there.
    if claimants != [claim.name] or version.exists():
        claim.unlink(missing_ok=True)
        return False
    write_note({**mine, "version": str(version)})
    artifact_trees.move_objects(
        typing.cast(artifact_paths.RemotePath, staged),
        typing.cast(artifact_paths.RemotePath, version),
        last=COMPLETE,
    )
    claim.unlink(missing_ok=True)
    return True


def step() -> int:
    """How far the next number to try is; by chance, or two pushes stay side by side."""
    return 1 + secrets.randbelow(_LONGEST_STEP)
