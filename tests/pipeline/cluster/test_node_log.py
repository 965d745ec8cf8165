import pathlib
import threading
import time

import pytest

from foundation import artifact_paths
from pipeline.cluster import node_log


def written(store, log):
    return store.read(str(log.place)).decode()


class Copies(artifact_paths.RemotePath):
    """A place that keeps what is written to it."""

    written: list[bytes]

    def write_bytes(self, content):
        self.written.append(content)


def test_a_log_on_a_volume_is_the_file_itself(tmp_path):
    with node_log.opened(tmp_path, "run/1", "Trainer") as log:
        assert log.file == log.place
        assert log.file.parent == tmp_path / "logs" / "run-1"
        assert log.file.name.startswith("Trainer-")
        log.file.write_text("line\n")
    assert log.file.read_text() == "line\n"


def test_a_log_in_a_bucket_is_there_when_the_node_has_ended(gcs):
    root = artifact_paths.of("gs://bucket/ended")
    with node_log.opened(root, "run/1", "Trainer") as log:
        assert isinstance(log.file, pathlib.Path)
        assert str(log.place).startswith("gs://bucket/ended/logs/run-1/Trainer-")
        log.file.write_text("line\n")
    assert written(gcs, log) == "line\n"
    assert not log.file.exists()


def test_a_log_in_a_bucket_is_there_when_the_node_has_failed(gcs):
    root = artifact_paths.of("gs://bucket/failed")
    with pytest.raises(ZeroDivisionError), node_log.opened(root, "1", "Trainer") as log:
        log.file.write_text("line\n")
        raise ZeroDivisionError
    assert written(gcs, log) == "line\n"


def test_what_was_logged_up_to_now_is_there_while_the_node_is_at_work(gcs, monkeypatch):
    monkeypatch.setattr(node_log, "_SECONDS_BETWEEN_COPIES", 0.05)
    root = artifact_paths.of("gs://bucket/growing")
    with node_log.opened(root, "1", "Trainer") as log:
        for text in ("one\n", "one\ntwo\n"):
            log.file.write_text(text)
            deadline = time.monotonic() + 30
            while not (there := gcs.names(f"{root}/logs/1/Trainer")) or (
                written(gcs, log) != text
            ):
                assert time.monotonic() < deadline, there
                time.sleep(0.02)


def test_the_longer_a_log_is_the_more_rarely_it_is_copied(monkeypatch):
    monkeypatch.setattr(node_log, "_SECONDS_BETWEEN_COPIES", 0.02)
    monkeypatch.setattr(node_log, "_BYTES_BETWEEN_COPIES", 100)
    monkeypatch.setattr(Copies, "written", [], raising=False)
    with node_log.opened(Copies("gs://bucket/a"), "1", "Trainer") as log:
        for size in (10, 20, 100_000):  # the last is worth 1000 pauses
            log.file.write_bytes(b"." * size)
            deadline = time.monotonic() + 30
            while [len(content) for content in Copies.written[-1:]] != [size]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        log.file.write_bytes(b"." * 100_001)
        time.sleep(0.5)
        assert [len(content) for content in Copies.written] == [10, 20, 100_000]
    assert len(Copies.written[-1]) == 100_001


def test_a_store_that_does_not_answer_keeps_no_node_from_ending(monkeypatch, capsys):
    class Silent(artifact_paths.RemotePath):
        def write_bytes(self, content):
            answered.wait(60)

    answered = threading.Event()
    monkeypatch.setattr(node_log, "_SECONDS_FOR_THE_LAST", 0.2)
    start = time.monotonic()
    with node_log.opened(Silent("gs://bucket/a"), "1", "Trainer") as log:
        log.file.write_text("line\n")
    assert time.monotonic() - start < 20
    printed = capsys.readouterr().err
    assert f"copied to {log.place}: that took longer than 0.2 seconds" in printed
    answered.set()


def test_a_log_that_cannot_be_copied_fails_nothing(gcs, capsys):
    root = artifact_paths.of("gs://bucket/refused")
    with node_log.opened(root, "1", "Trainer") as log:
        log.file.write_text("line\n")
        gcs.fail_next(100, status=403)
    gcs.recover()
    assert f"could not be copied to {log.place}" in capsys.readouterr().err
