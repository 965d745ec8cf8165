"""Runs a command with the CPU kernels that TensorFlow would not use by itself here.

python tests/support/other_kernels.py COMMAND...

TensorFlow uses oneDNN's kernels where the processor has instructions for them, and
its own elsewhere; the environment variable below says otherwise.
"""

import os
import subprocess
import sys

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
_ASK = """
from model.kernels import compute_target
print(int(compute_target.has_onednn()))
"""


def main() -> int:
    """Returns the command's exit code."""
    asked = subprocess.run(
        [sys.executable, "-c", _ASK],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    other = "0" if asked.stdout.strip() == "1" else "1"
    print(f"Once more with {VARIABLE}={other}", flush=True)
    return subprocess.run(sys.argv[1:], env={**os.environ, VARIABLE: other}).returncode


if __name__ == "__main__":
    sys.exit(main())
