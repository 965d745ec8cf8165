import re
import subprocess
import sys

import numpy as np
import pytest

from model.train import host_memory

# Threads that each take memory at the same time: every one wants a heap of its own.
_PROGRAM = """
import ctypes, os, threading
from model.train import host_memory
if {is_shared}:
    assert host_memory.share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
count = (os.cpu_count() or 1) + 8
gate = threading.Barrier(count)
def take():
    gate.wait()
    taken = [libc.malloc(64) for _ in range(100)]
    gate.wait()
    for address in taken:
        libc.free(address)
threads = [threading.Thread(target=take) for _ in range(count)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.malloc_stats()
"""


def _heaps(is_shared):
    program = _PROGRAM.format(is_shared=is_shared)
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return len(re.findall(r"^Arena \d+", finished.stderr, re.M))


def test_threads_share_heaps():
    assert _heaps(is_shared=True) < _heaps(is_shared=False)


@pytest.mark.parametrize(
    ("texts", "found"),
    [(["4096\n"], 4096), (["max\n"], None), (["8192", "4096"], 4096)],
)
def test_the_limit_is_that_of_the_container_if_it_has_one(tmp_path, texts, found):
    files = []
    for index, text in enumerate(texts):
        files.append(str(tmp_path / str(index)))
        (tmp_path / str(index)).write_text(text)
    machine = host_memory.limit([str(tmp_path / "nowhere")])
    assert 2**28 < machine < 2**50
    assert host_memory.limit(files) == (found or machine)


def test_the_peak_is_the_most_since_it_was_forgotten():
    held = np.ones(1 << 26)  # 512 MB
    peak = host_memory.peak()
    assert peak >= held.nbytes
    del held
    # Linux counts pages in batches, so the number may be off by some hundred of them.
    assert host_memory.peak() >= peak - (1 << 24)
    host_memory.forget_peaks()
    assert host_memory.peak() < peak - (1 << 28)


def test_without_a_gpu_no_gpu_has_a_peak():
    assert host_memory.device_peak() is None
