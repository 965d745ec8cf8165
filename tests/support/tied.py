"""Processes that end when the test does, even when pytest itself is killed.

As a program this starts the command it is given and kills it, and what that started,
when its standard input ends: the other end is held by the test's process.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading


def start(command, remove="", **options):
    """Starts a command.

    Args:
        remove: a folder that goes with it.
        options: of `subprocess.Popen`.
    """
    program = [sys.executable, str(pathlib.Path(__file__)), str(remove), *command]
    return subprocess.Popen(program, stdin=subprocess.PIPE, **options)


def stop(process):
    """Ends what `start` started."""
    process.stdin.close()
    process.wait(timeout=60)


def main(remove, *command):
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def wait_for_the_test():
        sys.stdin.buffer.read()
        kill(child)

    threading.Thread(target=wait_for_the_test, daemon=True).start()
    code = child.wait()
    kill(child)
    if remove:
        shutil.rmtree(remove, ignore_errors=True)
    return code


def kill(child):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]) & 0xFF)
