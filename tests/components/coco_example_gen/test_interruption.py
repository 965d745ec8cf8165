"""A killed ingestion leaves nothing that looks complete, and running again mends it.

Each moment is a process of its own that kills itself there.
"""

import hashlib
import pathlib
import subprocess
import sys

import pytest

from pipeline.toy import toy_coco

# Kills itself when a function of ingestion has been called as often as is asked for.
# One process imports what all of them need, and forks before TensorFlow has threads.
_SCRIPT = """
import os, pathlib, signal, sys
from components.coco_example_gen import ingestion
from components.coco_example_gen.read import layouts
from components.coco_example_gen.report import ingestion_report
from components.coco_example_gen.write import plans, shards
from components.coco_example_gen.write import examples
from components.coco_example_gen import ingest_settings
import tensorflow as tf

root, out = map(pathlib.Path, sys.argv[1:3])
plans.IMAGES_PER_SHARD = 3

def ingest(folder):
    names = {name: str(folder / name) for name in ("train", "eval")}
    ingestion.ingest(
        [layouts.detect(root)], ingest_settings.IngestSettings(), str(folder / "work"),
        names, str(folder / "report"), ingestion.run_here,
    )

def kill_at(module, name, calls):
    original, left = getattr(module, name), [calls]
    def wrapped(*arguments, **options):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)
    setattr(module, name, wrapped)

def in_child(work):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])

def killed(folder, module, name, calls):
    kill_at(module, name, calls)
    ingest(folder)

modules = dict(plans=plans, examples=examples, shards=shards, report=ingestion_report)
modules["gfile"] = tf.io.gfile
assert in_child(lambda: ingest(out / "whole")) == 0
for moment in sys.argv[3:]:
    module, name, calls = moment.removeprefix("again.").split(".")
    folder = out / moment
    if moment.startswith("again."):
        assert in_child(lambda: ingest(folder)) == 0
    signal_number = in_child(
        lambda: killed(folder, modules[module], name, int(calls))
    )
    print(moment, signal_number, (folder / "report/summary.json").exists(),
          len(list(folder.glob("*/data_tfrecord*"))))
    assert in_child(lambda: ingest(folder)) == 0
"""
_MOMENTS = {
    "shards.read_results.1": 0,  # every shard is written, none is published
    "examples.build.1": 0,
    "examples.build.5": 0,
    "again.examples.build.5": 0,  # what an earlier run left is not taken for its own
    "shards.publish.1": 0,
    "gfile.rename.3": 2,
    "report.write.1": 4,  # all records are there, and nothing says so
}


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "work" not in path.parts
    }


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """The folder of all runs, and what each killed one had left."""
    out = tmp_path_factory.mktemp("interruption")
    root = toy_coco.generate(out / "toy", 7, 2, size=64)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, root, out, *_MOMENTS],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    return out, [line.split() for line in done.stdout.splitlines()]


def test_what_a_killed_ingestion_leaves_does_not_look_complete(outcome):
    _, lines = outcome
    assert [line[0] for line in lines] == list(_MOMENTS)
    for moment, signal_number, has_summary, num_records in lines:
        assert signal_number == "9"
        assert has_summary == "False"
        assert int(num_records) == _MOMENTS[moment]


@pytest.mark.parametrize("moment", _MOMENTS)
def test_running_again_leads_to_the_same_files(outcome, moment):
    out, _ = outcome
    whole = digests(out / "whole")
    assert sum("data_tfrecord" in name for name in whole) == 4
    assert digests(out / moment) == whole
