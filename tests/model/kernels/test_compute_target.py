import os
import subprocess
import sys

import pytest

from model.kernels import compute_target


def test_the_target_is_a_cpu_unless_xla_compiles(monkeypatch):
    monkeypatch.setattr(
        compute_target.tf.config, "list_physical_devices", lambda kind: []
    )
    assert compute_target.is_cpu()
    with compute_target.for_xla(is_for_xla=True):
        assert not compute_target.is_cpu()
        with compute_target.for_xla(is_for_xla=False):
            assert compute_target.is_cpu()
    assert compute_target.is_cpu()


@pytest.mark.parametrize("onednn", ["0", "1"])
def test_the_variable_says_whether_there_is_onednn(onednn):
    ask = "from model.kernels import compute_target; print(compute_target.has_onednn())"
    ran = subprocess.run(
        [sys.executable, "-c", ask],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.stdout.split() == [str(onednn == "1")], ran.stderr
