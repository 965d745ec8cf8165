"""How a command of `m2f` ends: its exit code, and one message when it went wrong."""

import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

import typer

from foundation import background, errors, terminal_text

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)  # a path has one slash


def finish(command: Callable[..., int], *arguments: object) -> NoReturn:
    """Runs a command; a user's mistake is one message and exit code 2."""
    try:
        for path in _paths(arguments):
            _require_local(path)
        code = command(*arguments)
    except errors.UserError as error:
        code = _say(f"error: {error}", 2)
    except errors.Interrupted as error:
        code = _say(f"interrupted: {error}", 143)
    except errors.PipelineError as error:
        code = _say(f"error: {error}", 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _say(f"error: {where}{error.strerror or error}", 2)
    except KeyboardInterrupt:
        code = _say("interrupted: what was finished is kept", 130)
    except Exception as error:
        if os.environ.get("M2F_TRACEBACK"):
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"
        code = _say(f"error: {reason} (M2F_TRACEBACK=1 shows where)", 1)
    if background.is_left():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise typer.Exit(code)


def _paths(arguments: Iterable[object]) -> Iterator[pathlib.Path]:
    for argument in arguments:
        if isinstance(argument, pathlib.Path):
            yield argument
        elif isinstance(argument, list | tuple):
            yield from _paths(argument)


def _require_local(path: pathlib.Path) -> None:
    """Or `gs://bucket/a` would be a folder named `gs:`.

    Raises:
        ConfigError: the path is an address.
    """
    match = _ADDRESS.match(str(path))
    if match and not path.exists():
        raise errors.ConfigError(
            f"{match[1]}://{str(path)[match.end() :]}: is an address, and this command "
            "reads and writes local files. Copy what is there, for instance with "
            "`gcloud storage cp --recursive`, and name the local folder."
        )


def _say(message: str, code: int) -> int:
    typer.echo(terminal_text.printable(message), err=True)
    return code
