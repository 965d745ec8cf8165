import os
import pathlib
import subprocess
import sys

import pytest

from foundation import errors
from pipeline.local import workspace


def test_create_makes_every_folder_below_the_root(tmp_path):
    space = workspace.Workspace(tmp_path / "w")
    space.create()
    found = sorted(path.name for path in space.root.iterdir())
    assert found == ["artifacts", "logs", "serving"]


def test_runs_read_the_data_and_write_below_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = workspace.Workspace(tmp_path / "w")
    where = space.run_locations([pathlib.Path("data"), pathlib.Path("/more")])
    assert where.data_roots == (str(tmp_path / "data"), "/more")
    assert where.artifact_root == space.artifacts
    assert where.serving_root == space.serving


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "w").write_text("")
    with pytest.raises(errors.WorkspaceError, match="--workspace"):
        workspace.Workspace(tmp_path / "w").create()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    space = workspace.Workspace(tmp_path / "w")
    space.create()
    if os.geteuid() != 0:
        space.artifacts.chmod(0o500)
    else:  # root may write anywhere: ask as the kernel would answer another user
        monkeypatch.setattr(os, "access", lambda path, mode: path != space.artifacts)
    with pytest.raises(errors.WorkspaceError, match="artifacts is not writable"):
        space.create()


def test_a_second_process_is_kept_out_while_the_first_runs(tmp_path):
    space = workspace.Workspace(tmp_path)
    space.create()
    program = (
        "import pathlib, sys\n"
        "from foundation import errors\n"
        "from pipeline.local import workspace\n"
        "try:\n"
        "    with workspace.Workspace(pathlib.Path(sys.argv[1])).locked():\n"
        "        print('entered')\n"
        "except errors.WorkspaceError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with space.locked():
        shut = subprocess.run(command, capture_output=True, text=True, check=True)
    free = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"in use by process {os.getpid()}" in shut.stdout
    assert free.stdout.strip() == "entered"


def test_the_folder_of_a_training_is_made_and_found_again(tmp_path):
    data = tmp_path / "data"
    for _ in range(2):
        out = workspace.training_folder(tmp_path / "a" / "out", [data])
        assert (out, (out / "logs").is_dir()) == (tmp_path / "a" / "out", True)
        (out / "checkpoints").mkdir(exist_ok=True)
    # Examples that an earlier training left in its own folder may be read.
    assert workspace.training_folder(out, [out / "examples"]) == out
    log = workspace.new_log(out / "logs", "train")
    assert log.parent == out / "logs" and log.name.endswith("-train.log")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").touch()
    for out, inputs, wanted in (
        (tmp_path, [], "is no folder of `m2f train`"),
        (tmp_path / "notes.txt", [], "is no folder of `m2f train`"),
        (tmp_path / "data" / "out", [tmp_path / "data"], "which is read"),
        (tmp_path / "a[1]", [], "takes for a pattern"),
    ):
        with pytest.raises(errors.WorkspaceError, match=wanted):
            workspace.training_folder(out, inputs)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
