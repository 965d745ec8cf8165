import pathlib
import shutil

import pytest

from components.atomic_pusher import staging


@pytest.fixture
def node(tmp_path):
    return tmp_path / "Pusher"


@pytest.fixture
def base(tmp_path):
    return tmp_path / "serving" / "demo"


def copied(node, base, execution_id=7, version="100"):
    """A push that has copied everything and put nothing into place."""
    pushed = node / "pushed_model" / str(execution_id)
    staged = staging.begin(pushed, base) / version
    staged.mkdir()
    (staged / "saved_model.pb").write_bytes(b"graph")
    return pushed, staged


def versions(base):
    return sorted(path.name for path in base.iterdir() if path.name.isdecimal())


def everything(base):
    return sorted(path.name for path in base.iterdir())


def test_nothing_that_a_server_takes_for_a_version_is_there_before_the_end(node, base):
    pushed, staged = copied(node, base)
    assert versions(base) == []
    assert staging.finish(pushed, staged) == base / "100"
    assert everything(base) == ["100"]
    assert (base / "100" / "saved_model.pb").read_bytes() == b"graph"


def test_a_version_that_is_taken_is_left_alone_and_the_next_one_is_used(node, base):
    (base / "100").mkdir(parents=True)
    (base / "100" / "saved_model.pb").write_bytes(b"older")
    assert staging.finish(*copied(node, base)) == base / "101"
    assert (base / "100" / "saved_model.pb").read_bytes() == b"older"


def test_a_version_that_another_push_takes_at_that_moment_is_left_alone(
    node, base, monkeypatch
):
    (base / "100").mkdir(parents=True)
    (base / "100" / "saved_model.pb").write_bytes(b"other")
    seen = []

    def exists(path):  # sees the other's version only the second time
        seen.append(path.name)
        return path.is_dir() and seen.count(path.name) > 1

    monkeypatch.setattr(pathlib.Path, "exists", exists)
    assert staging.finish(*copied(node, base)) == base / "101"
    staging.undo(node, 7)
    assert versions(base) == ["100"]
    assert (base / "100" / "saved_model.pb").read_bytes() == b"other"


def test_a_push_that_fails_takes_back_its_own_and_nothing_else(node, base, monkeypatch):
    (base / "100").mkdir(parents=True)
    (base / "100" / "saved_model.pb").write_bytes(b"other")
    pushed, staged = copied(node, base)
    monkeypatch.setattr(pathlib.Path, "exists", lambda path: False)
    with pytest.raises(OSError, match="not empty"):
        staging.finish(pushed, staged)
    staging.undo(node, 7)
    assert everything(base) == ["100"]


def test_a_push_killed_while_it_copied_is_taken_back(node, base):
    copied(node, base)
    staging.undo(node, 7)
    assert everything(base) == []


def test_a_push_killed_before_it_was_recorded_is_taken_back(node, base):
    staging.finish(*copied(node, base, execution_id=3, version="50"))
    staging.forget(node, 3)
    staging.finish(*copied(node, base))
    staging.undo(node, 7)
    assert everything(base) == ["50"]


def test_a_push_that_could_not_be_taken_back_is_not_forgotten(node, base, monkeypatch):
    def refused(path, ignore_errors=False):
        if not ignore_errors:
            raise PermissionError(13, "Permission denied", str(path))

    staging.finish(*copied(node, base))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", refused)
        with pytest.raises(PermissionError):
            staging.undo(node, 7)
    assert not (base / "100" / "saved_model.pb").exists()
    staging.undo(node, 7)
    assert everything(base) == []


def test_only_the_push_of_that_execution_is_taken_back(node, base):
    staging.finish(*copied(node, base))
    staging.undo(node, 8)
    assert everything(base) == ["100"]


def test_a_recorded_push_stays(node, base):
    staging.finish(*copied(node, base))
    staging.forget(node, 7)
    staging.undo(node, 7)
    assert everything(base) == ["100"]


def test_a_second_attempt_does_not_find_files_of_the_first(node, base):
    _, staged = copied(node, base)
    (staged / "left_over").write_text("")
    pushed, staged = copied(node, base)
    version = staging.finish(pushed, staged)
    assert [path.name for path in version.iterdir()] == ["saved_model.pb"]
