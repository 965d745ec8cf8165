import os
import pathlib
import subprocess
import sys

import pytest

_HERE = pathlib.Path(__file__).parent
_SUPPORT = _HERE.parents[1] / "support"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_however_a_batch_is_cut_five_updates_give_the_same_weights():
    paths = os.pathsep.join([str(_SUPPORT), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, str(_HERE / "cuts_check.py")],
        capture_output=True,
        text=True,
        timeout=3000,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert run.returncode == 0, run.stdout + run.stderr[-3000:]
    assert "2 devices x 4" in run.stdout
