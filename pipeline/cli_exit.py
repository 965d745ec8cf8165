"""How a command of `m2f` ends: its exit code, and one message when it went wrong."""

import os
from collections.abc import Callable
from typing import NoReturn

import typer

from pipeline import errors, terminal_text


def finish(command: Callable[..., int], *arguments: object) -> NoReturn:
    """Runs a command; a user's mistake is one message and exit code 2."""
    try:
        code = command(*arguments)
    except errors.UserError as error:
        code = _say(f"error: {error}", 2)
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
    raise typer.Exit(code)


def _say(message: str, code: int) -> int:
    typer.echo(terminal_text.printable(message), err=True)
    return code
