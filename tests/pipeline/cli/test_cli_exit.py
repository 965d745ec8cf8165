import threading

import pytest
import typer

from foundation import background, errors
from pipeline.cli import cli_exit


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (errors.ConfigError("no key"), 2, "error: no key"),
        (errors.PipelineError("full"), 1, "error: full"),
        (errors.Interrupted("step 3 is saved"), 143, "interrupted: step 3 is saved"),
        (KeyboardInterrupt(), 130, "interrupted: what was finished is kept"),
    ],
)
def test_how_a_command_ends_is_a_line_and_a_code(capsys, error, code, said):
    def command():
        raise error

    with pytest.raises(typer.Exit) as ended:
        cli_exit.finish(command)
    assert ended.value.exit_code == code
    assert capsys.readouterr().err == f"{said}\n"


def test_work_that_is_left_does_not_keep_the_process(monkeypatch):
    end, codes = threading.Event(), []
    monkeypatch.setattr(cli_exit.os, "_exit", codes.append)
    work = background.Work(end.wait)
    with pytest.raises(typer.Exit):
        cli_exit.finish(lambda: 1)
    end.set()
    assert work.wait(30)
    assert codes == [1]
