import os
import subprocess
import sys
import time

import pytest

ENVIRONMENT = {**os.environ, "COLUMNS": "100"}


def m2f(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=ENVIRONMENT,
        timeout=120,
    )


def test_help_lists_the_commands_without_importing_tensorflow():
    program = (
        "import sys\n"
        "from typer import testing\n"
        "from pipeline.cli import cli\n"
        "result = testing.CliRunner().invoke(cli.app, ['--help'])\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'numpy'} & set(sys.modules)\n"
        "print(result.output, 'heavy:', sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for command in ("demo", "run", "train", "predict", "evaluate", "lineage"):
        assert command in done.stdout
    assert "heavy: []" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["run", "--data", "nowhere", "--config", "demo.yaml"], "does not exist"),
        (["run", "--data", "a_file", "--config", "demo.yaml"], "is a file"),
        (["run", "--data", ".", "--config", "no.yaml"], "no configuration file"),
        (["demo", "--set", "train.step=1"], "train.step: unknown key"),
        (["demo", "--workspace", "a_file"], "cannot be created"),
        (["lineage", "--workspace", "empty"], "no metadata there"),
        (["lineage", "gs://bucket/serving/demo/1"], "--metadata mysql://"),
        (["run", "--data", "gs://b/data", "--config", "x"], "gs://b/data: is an addr"),
        (["demo", "--workspace", "gs://b/w"], "gs://b/w: is an address"),
        (["demo", "--workspace", "w[1]"], "takes for a pattern"),
        (["data", "check", "s3://b/data"], "s3://b/data: is an address"),
        (["predict", "--model", "gs://b/m", "--out", "o", "a"], "gs://b/m: is an addr"),
        (["evaluate", "--model", "m", "--data", "nowhere"], "does not exist"),
        (["train", "--config", "demo.yaml", "--out", "o"], "either --data or --exam"),
        (["train", "--config", "demo.yaml", "--out", ".", "--data", "."], "is read"),
    ],
)
def test_a_users_mistake_is_one_message_and_exit_code_2(tmp_path, arguments, wanted):
    (tmp_path / "a_file").write_text("")
    done = m2f(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert wanted in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert {path.name for path in tmp_path.iterdir()} <= {"a_file", "empty"}


def test_an_unknown_option_is_exit_code_2():
    done = m2f("run", "--dataset", "x")
    assert done.returncode == 2
    assert "No such option: --dataset" in done.stderr


def test_ctrl_c_is_one_line_and_exit_code_130(tmp_path):
    running = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "demo", "--workspace", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / ".lock").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    running.send_signal(2)
    try:
        _, stderr = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130
    assert stderr.count("\n") == 1
    assert stderr.startswith("interrupted")
