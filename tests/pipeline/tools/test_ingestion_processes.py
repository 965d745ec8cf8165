import os
import signal

import pytest

from components.coco_example_gen import ingest_settings, ingestion
from components.coco_example_gen.read import layouts
from components.coco_example_gen.write import plans, shards
from foundation import errors
from pipeline.tools import ingestion_processes
from pipeline.toy import toy_coco


@pytest.fixture
def ingest(tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "IMAGES_PER_SHARD", 2)
    data = [layouts.detect(toy_coco.generate(tmp_path / "coco", 12, 4, size=64))]

    def ingested(name, run_shards):
        folder = tmp_path / name
        records = {split: str(folder / split) for split in ("train", "eval")}
        places = (str(folder / "work"), records, str(folder / "report"))
        ingestion.ingest(data, ingest_settings.IngestSettings(), *places, run_shards)
        files = sorted(folder.glob("*/data_tfrecord*"))
        return {file.name: file.read_bytes() for file in files}

    return ingested


class Bar:
    done = 0

    def advance(self, count=1, note=""):
        self.done += count


@pytest.mark.slow
def test_processes_write_the_bytes_that_one_writes(ingest, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    bar = Bar()

    def run_shards(work):
        with shards.advancing(bar):
            ingestion_processes.run(work)

    found = ingest("several", run_shards)
    assert found == ingest("one", ingestion.run_here)
    assert len(found) == 8
    assert bar.done == 16


def kill_itself(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_is_an_error_that_says_so(ingest, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(ingestion_processes, "_write", kill_itself)
    with pytest.raises(errors.PipelineError, match="was killed"):
        ingest("killed", ingestion_processes.run)


def test_little_work_is_done_here(ingest, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(
        ingestion_processes.concurrent.futures, "ProcessPoolExecutor", refuse
    )
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert len(ingest("here", ingestion_processes.run)) == 8
