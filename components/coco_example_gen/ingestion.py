"""The whole of ingestion but for who runs the shards: Beam, or a loop."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf

from components import wire
from components.coco_example_gen import ingest_settings, problems
from components.coco_example_gen.read import annotations, layouts
from components.coco_example_gen.report import ingestion_report, report_page
from components.coco_example_gen.write import plans, shards
from foundation import errors, progress
from model.examples import record_files

RunShards = Callable[[list[plans.Shard]], None]


def ingest(
    data: Sequence[layouts.Layout],
    settings: ingest_settings.IngestSettings,
    work_folder: str,
    record_folders: Mapping[str, str],
    report_folder: str,
    run_shards: RunShards,
) -> dict[str, object]:
    """Writes the records of a dataset; `summary.json` of the report is its last file.

    Args:
        data: the layout of each root.
        work_folder: for plans and results; every worker can reach it, and it is of
            the same file system as the records.
        record_folders: where the records of each split go, when all are written.
        run_shards: calls `shards.write_records` once for each shard, anywhere.

    Returns:
        Content of `summary.json`.

    Raises:
        CocoFormatError: the data cannot be used, or `on_problem` says to stop. The
            report then says why, and has no `summary.json`.
    """
    _clear(record_folders, report_folder)
    results: dict[str, shards.Result] = {}
    with recorded(f"{report_folder}/{wire.PROBLEM_LINES_FILE}", settings) as log:
        try:
            work = store(data, settings, work_folder, record_folders, run_shards, log)
            results = shards.read_results(work, log)
            summary = ingestion_report.conclude(data, results, log)
        except errors.CocoFormatError as error:
            known = ingestion_report.describe(data, results, log)
            _write_stopped(report_folder, known, log, error)
            raise
    shards.publish(work)
    report_page.write(report_folder, summary, log, record_folders)
    ingestion_report.write(report_folder, summary, log)
    return summary


def detect(
    roots: Sequence[pathlib.Path],
    settings: ingest_settings.IngestSettings,
    report_folder: str,
) -> list[layouts.Layout]:
    """Detects the layout of each root for `ingest`.

    Raises:
        CocoFormatError: as in `layouts.detect_all`. The report then says why, as that
            of `ingest` does.
    """
    try:
        return layouts.detect_all(roots, settings.layout)
    except errors.CocoFormatError as error:
        _clear({}, report_folder)
        with recorded(f"{report_folder}/{wire.PROBLEM_LINES_FILE}", settings) as log:
            known = ingestion_report.describe([], {}, log)
            known |= {"root": ", ".join(map(str, roots)), "layout": "not known"}
            _write_stopped(report_folder, known, log, error)
        raise


def store(
    data: Sequence[layouts.Layout],
    settings: ingest_settings.IngestSettings,
    work_folder: str,
    record_folders: Mapping[str, str],
    run_shards: RunShards,
    log: problems.ProblemLog,
) -> list[plans.Shard]:
    """Reads annotations and images, and writes the records aside.

    Args:
        record_folders: a split that is not among them is left out.

    Returns:
        The shards, whose records wait for `shards.publish`.
    """
    with progress.track("Reading annotations"):
        # The annotations of all shards are let go of before the first one is run.
        work, num_images = _plan(data, settings, work_folder, record_folders, log)
    with (
        progress.track("Ingesting images", num_images) as bar,
        shards.advancing(bar),
    ):
        run_shards(work)
    return work


def run_here(work: list[plans.Shard]) -> None:
    """Runs the shards one after the other in this process."""
    for shard in work:
        shards.write_records(shard)


def _write_stopped(
    report_folder: str,
    known: Mapping[str, object],
    log: problems.ProblemLog,
    error: errors.CocoFormatError,
) -> None:
    """Writes the page and `problems.json` of what ended before its `summary.json`."""
    report_page.write_stopped(report_folder, known, log, str(error))
    ingestion_report.write_problems(report_folder, log, stopped=str(error))


def _plan(
    data: Sequence[layouts.Layout],
    settings: ingest_settings.IngestSettings,
    work_folder: str,
    record_folders: Mapping[str, str],
    log: problems.ProblemLog,
) -> tuple[list[plans.Shard], int]:
    splits = [
        split
        for split in annotations.read_splits(data, settings, log)
        if split.name in record_folders
    ]
    work = plans.write(splits, settings, work_folder, record_folders)
    return work, sum(len(split.images) for split in splits)


@contextlib.contextmanager
def recorded(
    path: str, settings: ingest_settings.IngestSettings
) -> Iterator[problems.ProblemLog]:
    """A log that writes every occurrence to a file, one JSON object a line."""
    with tf.io.gfile.GFile(path, "w") as record:
        record.write("")  # or there would be no file when there is no problem
        yield problems.ProblemLog(settings.on_problem, record)


def _clear(record_folders: Mapping[str, str], report_folder: str) -> None:
    """Takes away what an earlier call left, its mark of completion first."""
    tf.io.gfile.makedirs(report_folder)
    for name in (
        wire.SUMMARY_FILE,
        wire.PROBLEMS_FILE,
        wire.REPORT_PAGE_FILE,
    ):
        if tf.io.gfile.exists(f"{report_folder}/{name}"):
            tf.io.gfile.remove(f"{report_folder}/{name}")
    for folder in record_folders.values():
        tf.io.gfile.makedirs(folder)
        for name in tf.io.gfile.listdir(folder):  # a pattern would match brackets
            if name.startswith(record_files.PREFIX):
                tf.io.gfile.remove(f"{folder}/{name}")
