import os
import subprocess
import sys

import pytest

from model.kernels import cpu_kernels


def test_they_are_usable_unless_xla_compiles():
    assert cpu_kernels.are_usable()
    with cpu_kernels.unless(is_for_xla=True):
        assert not cpu_kernels.are_usable()
        with cpu_kernels.unless(is_for_xla=False):
            assert cpu_kernels.are_usable()
    assert cpu_kernels.are_usable()


@pytest.mark.parametrize("onednn", ["0", "1"])
def test_the_variable_says_whether_there_is_onednn(onednn):
    ask = "from model.kernels import cpu_kernels; print(cpu_kernels.have_onednn())"
    ran = subprocess.run(
        [sys.executable, "-c", ask],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.stdout.split() == [str(onednn == "1")], ran.stderr
