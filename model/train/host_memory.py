"""Keeps the memory of a training process down, and says how much there is."""

import contextlib
import ctypes
import os
import pathlib
import resource
from collections.abc import Sequence

_M_ARENA_MAX = -8  # from glibc's malloc.h
# Of a container, as version 2 and 1 of control groups write it.
_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def share_heaps() -> bool:
    """Lets threads share heaps, one for two cores, instead of eight for each core.

    TensorFlow's threads free what others took, so many heaps mean many holes: on two
    cores a training step took 5 % more memory with the usual number, and no less time.

    Returns:
        Was it possible? Only glibc has several heaps.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    heaps = max(1, (os.cpu_count() or 1) // 2)
    return mallopt is not None and mallopt(_M_ARENA_MAX, heaps) == 1


def limit(files: Sequence[str] = _LIMITS) -> int | None:
    """Bytes that this process may use: the machine's, or less in a container.

    Returns:
        None where neither says so.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in files:
        with contextlib.suppress(OSError, ValueError):  # `max` is no limit
            found.append(int(pathlib.Path(name).read_text(encoding="ascii")))
    return min(found, default=None)


def peak() -> int:
    """The most bytes that this process had in memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts KiB
