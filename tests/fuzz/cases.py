"""Ingests broken datasets, one after the other, in a process that may be lost.

    python tests/fuzz/cases.py SEED FIRST LAST FOLDER

Prints a line of JSON before each case and one after it. Whatever is no success with a
report and no error with a sentence is told in the line after, or ends the process.
"""

import faulthandler
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import sys
import traceback

import mutations
import numpy as np
import seeds
import tensorflow as tf
from PIL import Image

from components.coco_example_gen import ingest_settings, ingestion
from components.coco_example_gen.read import layouts
from foundation import errors
from model.examples import features

PROCESSOR_SECONDS = 20  # of one case
MEMORY_BYTES = 2 * 2**30  # beside what the libraries take
_ROOT = pathlib.Path(__file__).parent.parent.parent
_SECRET = b"canary-7f3a"
_OPENED = ("open", "os.listdir", "os.scandir", "os.walk", "glob.glob")


class Violation(Exception):
    """A promise that was broken."""


def main(seed: str, first: str, last: str, folder: str) -> None:
    """Runs the cases from `first` up to `last`, which is not one of them."""
    tf.config.set_visible_devices([], "GPU")
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)
    watch = Watch()
    sys.addaudithook(watch.hear)
    _warm_up(pathlib.Path(folder) / "warm-up")
    _limit_memory()
    for index in range(int(first), int(last)):
        case = f"{seed}:{index}"
        print(json.dumps({"started": case}), flush=True)
        signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS)
        outcome, told = run(case, pathlib.Path(folder) / "case", watch)
        signal.setitimer(signal.ITIMER_PROF, 0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        line = {"case": case, "outcome": outcome, "told": told, "peak_mib": peak}
        print(json.dumps(line), flush=True)


class Watch:
    """Notes every file that Python opens or lists outside of the allowed folders."""

    def __init__(self):
        self.allowed: tuple[str, ...] = ()
        self.is_on = False
        self.outside: list[str] = []
        own = (str(_ROOT), sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev")
        self._own = tuple(os.path.realpath(path) for path in own)

    def hear(self, event: str, arguments: tuple) -> None:
        if not self.is_on or event not in _OPENED:
            return
        path = arguments[0]
        if not isinstance(path, str | bytes | os.PathLike):
            return
        found = os.path.realpath(os.fsdecode(path))
        if not any(
            found == each or found.startswith(f"{each}{os.sep}")
            for each in (*self._own, *self.allowed)
        ):
            self.outside.append(f"{event} {found}")


def run(case: str, folder: pathlib.Path, watch: Watch) -> tuple[str, str]:
    """Writes a broken dataset, ingests it and looks at what came of it.

    Returns:
        `ingested`, `refused` or `failed`, and what is to be said about it.
    """
    rng = random.Random(case)  # noqa: S311 - no secret
    shutil.rmtree(folder, ignore_errors=True)
    data, out, canary = folder / "data", folder / "out", folder / "canary"
    _write_canary(canary, data)
    dataset = seeds.make(rng)
    for path, content in mutations.apply(dataset, rng, str(canary)).items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content)
    settings = ingest_settings.IngestSettings(
        on_problem=rng.choice(["repair", "report", "report", "report", "strict"]),
        label_pattern=rng.choice([None, "(.+)_[0-9]+"]),
    )
    watch.allowed = (os.path.realpath(data), os.path.realpath(out))
    watch.outside, watch.is_on = [], True
    try:
        outcome, told = _ingest(data, out, settings)
        watch.is_on = False
        _check_no_escape(out, watch)
    except Exception:
        return "failed", traceback.format_exc()
    finally:
        watch.is_on = False
    return outcome, told


def _ingest(
    data: pathlib.Path, out: pathlib.Path, settings: ingest_settings.IngestSettings
) -> tuple[str, str]:
    records = {name: str(out / name) for name in ("train", "eval")}
    try:
        summary = ingestion.ingest(
            layouts.detect_all([data]),
            settings,
            str(out / "work"),
            records,
            str(out / "report"),
            ingestion.run_here,
        )
    except errors.UserError as error:
        _check_refusal(str(error), out)
        return "refused", str(error)
    _check_report(out / "report", ["summary.json", "problems.json"])
    for split, folder in records.items():
        _check_records(sorted(pathlib.Path(folder).glob("*.gz")), summary, split)
    return "ingested", json.dumps(summary["splits"]["train"]["images"])


def _check_refusal(message: str, out: pathlib.Path) -> None:
    if len(message.split()) < 5 or len(message) > 50_000:
        raise Violation(f"is no sentence: {message[:500]!r}")
    if (out / "report/summary.json").exists() or list(out.glob("*/data_tfrecord*")):
        raise Violation(f"left what looks complete after: {message}")
    if (out / "report").exists():  # the layout was found
        _check_report(out / "report", ["problems.json"])


def _check_report(folder: pathlib.Path, names: list[str]) -> None:
    for line in (folder / "problems.jsonl").read_text().splitlines():
        json.loads(line)
    for name in names:
        json.loads((folder / name).read_text())
    page = (folder / "report.html").read_text()
    if "<script>alert" in page:
        raise Violation("report.html holds a script of the data")


def _check_records(files: list[pathlib.Path], summary: dict, split: str) -> None:
    """Can training read every record, and do the masks fit the picture?"""
    count = 0
    for record in tf.data.TFRecordDataset([str(f) for f in files], "GZIP"):
        example = features.parse_example(record)
        found = {key: value.numpy() for key, value in example.items()}
        height, width = found[features.IMAGE_HEIGHT], found[features.IMAGE_WIDTH]
        pixels = tf.io.decode_image(found[features.IMAGE_ENCODED], channels=3)
        if pixels.shape != (height, width, 3):
            raise Violation(f"a picture of {pixels.shape} said to be {height}, {width}")
        ends = np.cumsum(found[features.NUM_RUNS])
        runs = np.split(found[features.RUN_LENGTHS], ends)
        if runs.pop().size or len(runs) != found[features.CATEGORY_ID].size:
            raise Violation("run lengths that belong to no object")
        for lengths in runs:
            if lengths.sum() != height * width or lengths.min() < 0:
                raise Violation(f"run lengths {lengths} of {height} x {width} px")
        for key in (features.BOX_XMIN, features.BOX_YMAX, features.AREA):
            if not np.all(np.isfinite(found[key])):
                raise Violation(f"{key} is {found[key]}")
        count += 1
    if count != summary["splits"].get(split, {"images": 0})["images"]:
        raise Violation(f"{count} records of {split}, the summary says {summary}")


def _check_no_escape(out: pathlib.Path, watch: Watch) -> None:
    if watch.outside:
        raise Violation(f"read outside of the root: {watch.outside[:5]}")
    for path in out.rglob("*"):
        if path.is_file() and _SECRET in path.read_bytes():
            raise Violation(f"{path.name} holds what a file outside of the root holds")


def _write_canary(canary: pathlib.Path, data: pathlib.Path) -> None:
    """A folder outside of the root, links to it from inside, and a pipe."""
    canary.mkdir(parents=True)
    data.mkdir()
    pixels = np.zeros([seeds.HEIGHT, seeds.WIDTH, 3], np.uint8)
    Image.fromarray(pixels).save(canary / "secret.png")
    with (canary / "secret.png").open("ab") as file:
        file.write(_SECRET)  # behind the picture, where decoders do not look
    (data / "leaves").symlink_to(canary)
    (data / "link.png").symlink_to(canary / "secret.png")
    os.mkfifo(data / "pipe.png")


def _warm_up(folder: pathlib.Path) -> None:
    """Loads what is loaded at first use, before memory and files are watched."""
    rng = random.Random(0)  # noqa: S311
    for number, make in enumerate((seeds.coco, seeds.labelme, seeds.panoptic)):
        data, out = folder / f"{number}/data", folder / f"{number}/out"
        sound = mutations.written(make(rng))
        for path, content in sound.items():
            (data / path).parent.mkdir(parents=True, exist_ok=True)
            (data / path).write_bytes(content)
        _ingest(data, out, ingest_settings.IngestSettings())


def _limit_memory() -> None:
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(*sys.argv[1:])
