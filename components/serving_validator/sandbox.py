"""Runs `probe.py` in a clean process and brings back what the model answered."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from components.serving_validator import answer_checks

_LOG_TAIL = 300  # characters of a crashed process's last words


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Either answers or the reason why there are none.

    Attributes:
        latency_ms: of one image, once the model is warm.
    """

    answers: tuple[answer_checks.Answer, ...] = ()
    failure: str = ""
    load_seconds: float = 0.0
    latency_ms: float = 0.0
    tensorflow: str = ""


def ask(model: pathlib.Path, examples: Sequence[bytes], timeout: float) -> Outcome:
    """Sends serialized tf.Examples to a model that is loaded in another process.

    A crash, a hang and nonsense on the other side are an `Outcome.failure`.

    Args:
        timeout: seconds for loading and all requests together.
    """
    with tempfile.TemporaryDirectory(prefix="serving_validator_") as name:
        folder = pathlib.Path(name)
        for number, example in enumerate(examples):
            (folder / f"{number:04d}.example").write_bytes(example)
        answers = folder / "answers.json"
        failure = _run(model, folder, answers, timeout)
        if failure:
            return Outcome(failure=failure)
        content = json.loads(answers.read_text(encoding="utf-8"))
    return Outcome(
        answers=tuple(answer_checks.Answer(**each) for each in content["answers"]),
        load_seconds=content["load_seconds"],
        latency_ms=content["latency_ms"],
        tensorflow=content["tensorflow"],
    )


def _run(
    model: pathlib.Path, requests: pathlib.Path, answers: pathlib.Path, timeout: float
) -> str:
    """Runs the probe to its end; returns why it failed, or an empty text."""
    # Found like this and not by a file name, the probe is part of the code digest.
    from components.serving_validator import probe

    # A GPU may still be held by the training process, and need not be there to serve.
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    log = requests / "probe.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            # -I: nothing but the installed packages can be imported.
            [
                sys.executable,
                "-I",
                probe.__file__,
                str(model),
                str(requests),
                str(answers),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return f"no answer within {timeout:g} s of starting to load the model"
        finally:  # also when the user interrupts
            _end(process)
    if code == 0 and answers.is_file():
        return ""
    how = f"ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
    return f"loading or asking the model {how}: {_last_words(log)}"


def _end(process: subprocess.Popen) -> None:
    """Kills the process and what it may have started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_words(log: pathlib.Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return " ".join(said[-3:])[-_LOG_TAIL:] or "it said nothing"
