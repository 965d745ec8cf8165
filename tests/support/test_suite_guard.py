"""Suites of several workers that cannot go on, in processes of their own."""

import pathlib
import subprocess
import sys

import pytest

SUPPORT = pathlib.Path(__file__).parent

DIES = "import os\ndef test_dies(): os.abort()\n"
FREEZES = (
    "import os, signal\ndef test_freezes(): os.kill(os.getpid(), signal.SIGSTOP)\n"
)
# Fails no test that is short, and is not done when the other worker's test is told.
GOES_ON = """
import time, pytest

@pytest.mark.parametrize("number", range(600))
def test_goes_on(number): time.sleep(0.2)
"""


def run(folder, first, *options) -> subprocess.CompletedProcess:
    (folder / "pyproject.toml").write_text(
        f"[tool.pytest.ini_options]\npythonpath = ['{SUPPORT}']\n"
    )
    (folder / "conftest.py").write_text("pytest_plugins = ['suite_guard']\n")
    (folder / "test_first.py").write_text(first)
    (folder / "test_second.py").write_text(GOES_ON)
    workers = ["-n", "2", "--dist", "loadfile", "--max-worker-restart", "0"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *workers, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,  # the rest of the suite would take 120 s
    )


@pytest.mark.parametrize(
    ("first", "options", "reason"),
    [
        (DIES, (), "crashed while running 'test_first.py::test_dies'"),
        (FREEZES, ("--suite-minutes", "0.1"), "test_first.py::test_freezes"),
    ],
)
def test_the_suite_ends_as_failed_and_names_the_test(tmp_path, first, options, reason):
    ran = run(tmp_path, first, *options)
    assert ran.returncode == 1
    assert reason in ran.stdout


def test_a_suite_that_is_well_is_left_alone(tmp_path):
    ran = run(tmp_path, "def test_passes(): pass\n", "-k", "passes")
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_minutes_that_no_suite_can_take_are_a_mistake_in_the_call(tmp_path, minutes):
    ran = run(tmp_path, "def test_passes(): pass\n", "--suite-minutes", minutes)
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"--suite-minutes is {minutes}, wanted more than 0" in ran.stderr
