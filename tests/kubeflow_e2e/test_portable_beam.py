"""Beam as on a cluster: a job server and a pool of workers, in processes of their own.

What runs here is Beam's own portable path, with its own small job server in the place
of Flink's: jobs go over the network, and workers know nothing of who sent them.
"""

import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tied
from google.protobuf import json_format

from components.coco_evaluator import assessment, evaluator_settings, thresholds
from pipeline import graph
from pipeline.local import run_local, workspace
from pipeline.settings import config_file, run_config

NODES = ("CocoExampleGen", "StatisticsGen", "Transform")
SETTINGS = (
    "name=portable",
    "data.short_side=32",
    "data.long_side=32",
    "data.pad_multiple=32",
)
RED = 3
SIZE = (32, 32)
BOX = (8, 8, 16, 16)  # the colour model loses 4 of its 256 pixels: IoU 0.98


class Watch:
    """Notes how nodes end, and stops the run after one of them."""

    class Stop(Exception):
        pass

    def __init__(self, last):
        self.last = last
        self.states = {}

    def started(self, node_id, position, total):
        pass

    def finished(self, node_id, state, seconds):
        self.states[node_id] = state
        if node_id == self.last:
            raise self.Stop


def free_port():
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def wait_for(port, process):
    for _ in range(600):
        assert process.poll() is None, process.args
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("localhost", port)),
        ):
            return
        time.sleep(0.1)
    pytest.fail(f"{process.args} did not open port {port} within a minute")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Arguments that lead to a job server and a worker pool; and the pool's log."""
    folder = tmp_path_factory.mktemp("cluster")
    boot = folder / "boot"
    program = pathlib.Path(__file__).with_name("beam_boot.py")
    boot.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
    boot.chmod(0o755)
    jobs, pool = free_port(), free_port()
    commands = {
        jobs: ("portability.local_job_service_main", f"--port={jobs}"),
        pool: (
            "worker.worker_pool_main",
            f"--service_port={pool}",
            f"--container_executable={boot}",
        ),
    }
    processes = []
    try:
        for port, (module, *arguments) in commands.items():
            with (folder / f"{module}.log").open("wb") as log:
                process = tied.start(
                    [sys.executable, "-m", f"apache_beam.runners.{module}", *arguments],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            processes.append(process)
            wait_for(port, process)
        yield (
            (
                f"--job_endpoint=localhost:{jobs}",
                f"--environment_config=localhost:{pool}",
            ),
            folder / "worker.worker_pool_main.log",
        )
    finally:
        for process in processes:
            tied.stop(process)


@pytest.fixture(scope="module")
def data(tmp_path_factory, colour_model):
    """A red square in every picture, except that the last one of `val` shows none."""
    root = tmp_path_factory.mktemp("colours") / "coco"
    (root / "annotations").mkdir(parents=True)
    mask = colour_model.rle(colour_model.box_mask(SIZE, *BOX))
    for split, ids in (("train", range(1, 9)), ("val", range(11, 15))):
        (root / split).mkdir()
        for image_id in ids:
            shapes = [] if image_id == 14 else [(RED, *BOX)]
            pixels = colour_model.encode_png(colour_model.picture(shapes))
            (root / split / f"{image_id}.png").write_bytes(pixels)
        content = {
            "images": [
                {"id": i, "file_name": f"{i}.png", "height": 32, "width": 32}
                for i in ids
            ],
            "annotations": [
                {
                    "id": i,
                    "image_id": i,
                    "category_id": RED,
                    "segmentation": mask,
                    "bbox": [8, 8, 16, 16],
                    "area": 256,
                    "iscrowd": 0,
                }
                for i in ids
            ],
            "categories": [{"id": RED, "name": "red thing"}],
        }
        path = root / "annotations" / f"instances_{split}.json"
        path.write_text(json.dumps(content))
    return root


def run(folder, data, last=NODES[-1], **engine):
    """Runs up to the last node that uses Beam, or to another one."""
    space = workspace.Workspace(folder)
    space.create()
    settings = config_file.load("demo.yaml", SETTINGS)
    settings = settings.model_copy(update={"run": run_config.RunConfig(**engine)})
    watch = Watch(last)
    with pytest.raises(Watch.Stop):
        run_local.run(settings, [data], space, watch)
    return space, watch.states


@pytest.fixture(scope="module")
def local(tmp_path_factory, data):
    """A run in this process alone."""
    return run(tmp_path_factory.mktemp("local"), data)[0]


@pytest.fixture(scope="module")
def portable(tmp_path_factory, data, cluster):
    """The same through the job server."""
    folder = tmp_path_factory.mktemp("portable")
    space, states = run(folder, data, beam_runner="portable", beam_args=cluster[0])
    assert all(states[node] == "ran" for node in NODES)
    return space


def records(space):
    folder = space.artifacts / "portable" / "CocoExampleGen" / "examples"
    found = {path.relative_to(folder).parts[1:]: path for path in folder.rglob("*.gz")}
    return dict(sorted(found.items()))


def test_records_are_the_same_to_the_byte(local, portable):
    mine, theirs = records(local), records(portable)
    assert list(mine) == list(theirs)
    assert len(mine) == 2  # a file of each split
    for name, path in mine.items():
        assert path.read_bytes() == theirs[name].read_bytes(), name


def test_statistics_and_vocabulary_are_the_same(local, portable):
    def contents(space, pattern):
        return sorted(
            path.read_bytes() for path in (space.artifacts / "portable").glob(pattern)
        )

    for pattern in (
        "StatisticsGen/statistics/*/*/FeatureStats.pb",
        "Transform/transform_graph/*/transform_fn/assets/*",
    ):
        assert contents(local, pattern)
        assert contents(local, pattern) == contents(portable, pattern)


def test_a_model_scores_the_same_on_either_s_records(local, portable, exported):
    text = json_format.MessageToJson(
        graph.eval_config(evaluator_settings.EvaluateConfig())
    )
    _, wanted = thresholds.parse(text)
    scores = []
    for space in (local, portable):
        (files,) = [
            [str(path)] for name, path in records(space).items() if "eval" in str(name)
        ]
        found = assessment.assess(exported, None, files, wanted, batch_size=2)
        scores.append(found.metrics.numbers())
    # Precision 1 up to a recall of 3 in 4: points 0.00 to 0.75 of the 101.
    assert scores[0]["mask_ap"] == pytest.approx(76 / 101)
    np.testing.assert_equal(scores[0], scores[1])


def test_the_work_was_done_in_the_pool(portable, cluster):
    _, log = cluster
    started = log.read_text().count("Starting worker with command")
    assert started >= len(NODES)


def test_another_engine_finds_what_the_first_left_in_the_cache(portable, data):
    """Cache keys do not hold Beam's arguments."""
    _, states = run(portable.root, data, beam_workers=2)
    assert {states[node] for node in NODES} == {"cached"}


def test_two_processes_of_this_machine_write_the_same_too(tmp_path, data, local):
    """Their workers, too, know nothing but what Beam tells them."""
    space, states = run(tmp_path, data, "StatisticsGen", beam_workers=2)
    assert states["StatisticsGen"] == "ran"
    for name, path in records(local).items():
        assert path.read_bytes() == records(space)[name].read_bytes(), name
