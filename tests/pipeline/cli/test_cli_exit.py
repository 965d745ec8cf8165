import errno
import pathlib
import threading

import pytest
import typer

from foundation import background, errors
from pipeline.cli import cli_exit


def finished(command, *arguments):
    """The exit code of a command."""
    with pytest.raises(typer.Exit) as ended:
        cli_exit.finish(command, *arguments)
    return ended.value.exit_code


def failing(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_that_ends_by_itself_says_its_own_code(code, capsys):
    assert finished(lambda given: given, code) == code
    assert capsys.readouterr() == ("", "")


def test_arguments_reach_the_command_in_their_order():
    seen = []
    finished(lambda *given: seen.append(given) or 0, "a", None, [pathlib.Path("b")])
    assert seen == [("a", None, [pathlib.Path("b")])]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (errors.ConfigError("a.yaml: no such key"), 2, "error: a.yaml: no such key\n"),
        (errors.UserError("two\nlines"), 2, "error: two\nlines\n"),
        (errors.PipelineError("a node failed"), 1, "error: a node failed\n"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "a/b.json"),
            2,
            "error: a/b.json: No such file or directory\n",
        ),
        (OSError("no room"), 2, "error: no room\n"),
        (
            errors.Interrupted("step 3 is saved"),
            143,
            "interrupted: step 3 is saved\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted: what was finished is kept\n"),
        (
            ZeroDivisionError("a  bug\nof ours"),
            1,
            "error: ZeroDivisionError: a bug of ours (M2F_TRACEBACK=1 shows where)\n",
        ),
    ],
)
def test_what_went_wrong_is_one_message_on_stderr_and_a_code(
    error, code, message, monkeypatch, capsys
):
    monkeypatch.delenv("M2F_TRACEBACK", raising=False)
    assert finished(failing(error)) == code
    assert capsys.readouterr() == ("", message)


def test_a_long_message_of_a_bug_is_cut_and_a_users_is_not(capsys):
    finished(failing(ValueError("x" * 1000)))
    assert capsys.readouterr().err.count("x") == 400
    finished(failing(errors.UserError("x" * 1000)))
    assert capsys.readouterr().err.count("x") == 1000


def test_who_asks_for_a_traceback_gets_that_of_a_bug_only(monkeypatch):
    monkeypatch.setenv("M2F_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli_exit.finish(failing(ZeroDivisionError()))
    assert finished(failing(errors.UserError("a"))) == 2


def test_a_name_in_a_message_cannot_steer_the_terminal(capsys):
    finished(failing(errors.UserError("\x1b[2Ja.json: is no \udcff image")))
    assert capsys.readouterr().err == "error: \\x1b[2Ja.json: is no \\udcff image\n"


def refused(*arguments, capsys):
    """The message of a command that was not even started."""

    def never(*_):
        raise AssertionError("started")

    assert finished(never, *arguments) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("gs://bucket/a", "gs://bucket/a"),
        ("S3://bucket/a", "S3://bucket/a"),
        ("https://host/a?b", "https://host/a?b"),
    ],
)
def test_an_address_is_refused_as_it_was_written_before_anything_runs(
    path, shown, capsys
):
    # A path has folded the two slashes into one.
    message = refused("x", pathlib.Path(path), capsys=capsys)
    assert message.startswith(f"error: {shown}: is an address")
    assert "gcloud storage cp" in message


def test_addresses_are_found_in_lists_too(capsys):
    paths = [pathlib.Path("a"), (pathlib.Path("gs://b/c"),)]
    assert "gs://b/c: is an address" in refused(paths, capsys=capsys)


def test_texts_may_be_addresses_and_so_may_local_folders_look(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gs:" / "bucket").mkdir(parents=True)
    there = pathlib.Path("gs://bucket")
    here = [pathlib.Path("c:/x"), pathlib.Path("a/b://c"), pathlib.Path("run:7/a")]
    assert finished(lambda *_: 0, "gs://bucket/a", there, here) == 0


def test_work_that_is_left_does_not_keep_the_process(monkeypatch):
    end, codes = threading.Event(), []
    monkeypatch.setattr(cli_exit.os, "_exit", codes.append)
    work = background.Work(end.wait)
    assert finished(lambda: 1) == 1
    end.set()
    assert work.wait(30)
    assert codes == [1]
