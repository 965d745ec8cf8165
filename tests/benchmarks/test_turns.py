import pathlib
import sys

import pytest

from benchmarks import turns

ROOT = pathlib.Path(__file__).parent.parent.parent

PROGRAM = """
import json, pathlib, sys
from benchmarks import turns

name, order = sys.argv[1], pathlib.Path(sys.argv[2])

def work():
    with order.open("a") as file:
        file.write(name)

print(json.dumps(turns.timed(work, 3, in_turns=True)))
"""


def test_processes_take_turns_after_a_first_call_of_each(tmp_path):
    order = tmp_path / "order"
    commands = [[sys.executable, "-c", PROGRAM, name, str(order)] for name in "ab"]
    found = turns.alternate(commands, cwd=ROOT)
    assert order.read_text() == "ab" * 4
    for measured in found:
        assert 0 <= measured["best"] <= measured["median"]


def test_a_process_that_fails_ends_the_others(tmp_path):
    fine = [sys.executable, "-c", PROGRAM, "a", str(tmp_path / "order")]
    with pytest.raises(RuntimeError, match="ended with 3"):
        turns.alternate([fine, [sys.executable, "-c", "exit(3)"]], cwd=ROOT)


def test_a_single_process_is_timed_without_waiting():
    calls = []
    found = turns.timed(lambda: calls.append(1), 4)
    assert len(calls) == 5
    assert set(found) == {"first", "best", "median"}
