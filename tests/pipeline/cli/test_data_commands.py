"""`{SPAN}` in the folders of the `m2f data` commands."""

import json
import shutil

import pytest
from typer import testing

from pipeline.cli import cli


@pytest.fixture(scope="module")
def days(toy, tmp_path_factory):
    """Folders of two spans, of which the earlier one cannot be read."""
    root = tmp_path_factory.mktemp("days")
    shutil.copytree(toy, root / "day-12" / "coco")
    shutil.copytree(toy, root / "day-2" / "coco")
    for file in (root / "day-2" / "coco" / "annotations").iterdir():
        file.write_text("{")
    return root


def m2f(*arguments):
    command = ["data", *(str(each) for each in arguments)]
    return testing.CliRunner().invoke(cli.app, command)


def test_check_looks_at_the_latest_span_and_says_which(days, capfd):
    data = days / "day-{SPAN}" / "coco"
    assert m2f("check", data).exit_code == 0
    assert f"data      {days / 'day-12' / 'coco'}\n" in capfd.readouterr().out
    assert m2f("check", "--json", data).exit_code == 0
    assert json.loads(capfd.readouterr().out)["data"] == [str(days / "day-12" / "coco")]
    assert m2f("check", days / "day-2" / "coco").exit_code == 2


@pytest.mark.parametrize("command", ["preview", "convert"])
def test_preview_and_convert_read_the_latest_span(
    days, tmp_path, monkeypatch, capfd, command
):
    monkeypatch.chdir(days)
    done = m2f(command, "day-{SPAN}/coco", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert f"data      {days / 'day-12' / 'coco'}\n" in capfd.readouterr().out
    inside = days / "day-12" / "coco" / "out"
    done = m2f(command, "day-{SPAN}/coco", "--out", inside)
    assert done.exit_code == 2
    assert "lies inside of the data" in done.stderr and not inside.exists()


def test_a_span_that_does_not_exist_is_named(days):
    done = m2f("check", days / "night-{SPAN}" / "coco")
    assert done.exit_code == 2
    assert "night-{SPAN}/coco: no folder fits the placeholders" in done.stderr


def test_a_page_of_an_earlier_check_is_said_to_be_one(days, tmp_path):
    page, night = tmp_path / "page.html", days / "night-{SPAN}" / "coco"
    assert "page.html" not in m2f("check", night, "--html", page).stderr
    page.write_text("earlier")
    done = m2f("check", night, "--html", page)
    assert done.exit_code == 2 and "night-{SPAN}/coco: no folder fits" in done.stderr
    assert f"{page} was not written: it is of an earlier check.\n" in done.stderr
    assert page.read_text() == "earlier"
