"""The options of `m2f data`; what the commands do with them: test_data_commands."""

import re
import subprocess
import sys

import pytest
from typer import testing

from pipeline.cli import cli, data_cli


def m2f(*arguments):
    command = ["data", *(str(each) for each in arguments)]
    return testing.CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, command)


def plain(done):
    """What was printed, without colours and frames, in one line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.output)
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def test_without_a_command_the_three_there_are_are_shown():
    shown = plain(m2f())
    for command in ("check", "preview", "convert"):
        assert f" {command} " in shown


@pytest.mark.parametrize("command", ["check", "preview", "convert"])
def test_every_command_wants_a_folder(command):
    done = m2f(command, *(("--out", "o") if command == "convert" else ()))
    assert done.exit_code == 2
    assert "Missing argument 'DIR...'" in plain(done)


def test_help_imports_nothing_that_takes_seconds():
    program = (
        "import sys\n"
        "from typer import testing\n"
        "from pipeline.cli import data_cli\n"
        "testing.CliRunner().invoke(data_cli.app, ['convert', '--help'])\n"
        "print(sorted({'tensorflow', 'tfx', 'numpy'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (
            ["preview", "d", "--count", "0"],
            "'--count': Input should be greater than or equal to 1",
        ),
        (["preview", "d", "--seed", "x"], "'--seed': Input should be a valid integer"),
        (
            ["convert", "d", "--out", "o", "--format", "voc"],
            "'voc' is not one of 'tfrecord', 'coco'",
        ),
        (["convert", "d"], "Missing option '--out'"),
        (["check", "d", "--force"], "No such option: --force"),
        (["check", "d", "--set", "data.on_problm=strict"], "data.on_problm: unknown"),
        (["check", "d", "--set", "train.steps=1", "--set", "c"], "--set 'c': wanted"),
        (["check", "d", "--config", "none.yaml"], "no configuration file 'none.yaml'"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_the_option(arguments, wanted):
    done = m2f(*arguments)
    assert done.exit_code == 2
    assert wanted in plain(done)


def test_every_format_can_be_chosen_and_tfrecord_comes_by_itself(
    toy, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name, wanted in (
        (None, "*/*tfrecord*.gz"),
        ("tfrecord", "*/*tfrecord*.gz"),
        ("coco", "annotations/*.json"),
    ):
        out = tmp_path / f"out-{name}"
        chosen = () if name is None else ("--format", name)
        done = m2f("convert", toy, "--out", out, *chosen)
        assert done.exit_code == 0, done.output
        assert list(out.rglob(wanted)), sorted(out.rglob("*"))
    assert {each.value for each in data_cli.Format} == {"tfrecord", "coco"}


def test_options_reach_the_preview_and_what_is_there_is_replaced_when_told_to(
    toy, tmp_path
):
    out = tmp_path / "out"

    def pictures(*more):
        command = ("preview", toy, "--out", out, "--count", "2")
        done = m2f(*command, "--set", "train.augment.crop_size=32", *more)
        assert done.exit_code == 0, done.output
        return sorted(path.read_bytes() for path in out.rglob("*.png"))

    first = pictures("--seed", "5")
    assert len(first) == 2
    refused = m2f("preview", toy, "--out", out)
    assert refused.exit_code == 2 and "--force" in refused.stderr
    assert pictures("--force", "--set", "train.seed=5") == first
    assert pictures("--force", "--set", "train.seed=6") != first
