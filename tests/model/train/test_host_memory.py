import re
import subprocess
import sys

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
