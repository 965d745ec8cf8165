"""Keeps the memory of a training process down, and says what it was and may be."""

import contextlib
import ctypes
import os
import pathlib
from collections.abc import Sequence

import tensorflow as tf

_M_ARENA_MAX = -8  # from glibc's malloc.h
_PROCESS = pathlib.Path("/proc/self")
_RESET_PEAK = "5"  # see proc(5), clear_refs
_KILOBYTE = 1024
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


def forget_peaks() -> None:
    """Has `peak` and `device_peak` look at what comes from now on only.

    What the process did before, such as ingesting, is not part of a training.
    """
    with contextlib.suppress(OSError):  # not every container allows it
        (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
    for name in _devices():
        tf.config.experimental.reset_memory_stats(name)


def peak() -> int:
    """The most memory of this process that was in RAM at a time, bytes."""
    for line in (_PROCESS / "status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == "VmHWM":
            return int(value.split()[0]) * _KILOBYTE
    return 0


def device_peak() -> int | None:
    """Likewise of the GPU that needed most; None without one."""
    info = tf.config.experimental.get_memory_info
    return max((info(name)["peak"] for name in _devices()), default=None)


def _devices() -> list[str]:
    """Names such as `GPU:0`."""
    return [
        each.name.removeprefix("/device:")
        for each in tf.config.list_logical_devices("GPU")
    ]
