import json
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parent

# What would be if the links out of the data were followed.
PLANTED = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import cases
from components.coco_example_gen import safe_paths
def find(root, folders, name):
    paths = [pathlib.Path(folder, name) for folder in folders]
    return next((path for path in paths if path.is_file()), None)
safe_paths.find = find
cases.main("planted", "0", "150", sys.argv[2])
"""


@pytest.mark.slow
def test_broken_data_ends_in_a_report_or_in_a_sentence():
    command = [sys.executable, str(FOLDER / "fuzz.py"), "--minutes", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    counted = done.stdout.splitlines()[-1]
    assert "ingested" in counted and "refused" in counted


@pytest.mark.slow
def test_a_file_read_outside_of_the_data_is_noticed(tmp_path):
    command = [sys.executable, "-c", PLANTED, str(FOLDER), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [line["told"] for line in lines if line.get("outcome") == "failed"]
    assert failed, done.stderr
    assert any("outside of the root" in told for told in failed), failed
