"""What each `m2f data` command does, once its arguments are parsed."""

import contextlib
import json
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence

import rich.console

from components import wire
from foundation import artifact_paths, console, errors, output_folder, progress
from pipeline.settings import config, config_file


def check(
    data: Sequence[pathlib.Path],
    source: str | None,
    overrides: Sequence[str],
    as_json: bool,
    html: pathlib.Path | None,
) -> int:
    """Prints the findings; data that a run would stop at is an error."""
    settings = _load(source, overrides)
    if html is not None:
        _require_file_place(html)
    with console.foreground() as terminal, tempfile.TemporaryDirectory() as name:
        from pipeline.tools import data_check

        if not terminal.is_terminal:  # a file or a pipe has no edge to wrap at
            terminal.width = 1000
        with _old_page_told(html):
            folders = latest(data)
        findings = data_check.check(folders, settings, pathlib.Path(name))
        if as_json:
            # In ASCII: names of files need not be of characters.
            found = {"data": [str(each) for each in folders], **findings.to_json()}
            terminal.out(json.dumps(found, indent=1), highlight=False)
        else:
            _tell_latest(folders, data, terminal)
            terminal.print(findings)
        if html is not None:
            with artifact_paths.whole_file(html) as partial:
                partial.write_bytes(findings.page.read_bytes())
            if not as_json:
                terminal.print(f"page: {html}", soft_wrap=True, markup=False)
    findings.raise_if_stopped(
        "--html FILE writes the report as a page."
        if html is None
        else f"The report is {html}."
    )
    return 0


def preview(
    data: Sequence[pathlib.Path],
    out: pathlib.Path,
    count: int,
    seed: int | None,
    source: str | None,
    overrides: Sequence[str],
    force: bool,
) -> int:
    """Draws training images."""
    settings = _load(source, overrides)
    with console.foreground() as terminal:
        folders = latest(data)
        output_folder.require_free(out, folders, force)
        from pipeline.tools import data_preview

        seed = settings.train.seed if seed is None else seed
        with output_folder.written(out, force) as folder:
            number = data_preview.write(folders, settings, folder, count, seed)
        _tell_latest(folders, data, terminal)
        terminal.print(
            f"pictures  {number} in {out}\npage      {out / data_preview.PAGE_FILE}",
            soft_wrap=True,
            markup=False,
        )
    return 0


def convert(
    data: Sequence[pathlib.Path],
    out: pathlib.Path,
    to: str,
    source: str | None,
    overrides: Sequence[str],
    force: bool,
) -> int:
    """Writes a dataset in another form."""
    settings = _load(source, overrides)
    with console.foreground() as terminal:
        folders = latest(data)
        output_folder.require_free(out, folders, force)
        from pipeline.tools import data_convert

        write = {"tfrecord": data_convert.to_tfrecord, "coco": data_convert.to_coco}
        with (
            output_folder.written(out, force) as folder,
            _report_kept(folder / data_convert.REPORT_FOLDER, out),
        ):
            summary = write[to](folders, settings, folder)
        _tell_latest(folders, data, terminal)
        for split, counts in summary["splits"].items():
            terminal.print(
                f"{split:<9} {counts['images']} images, {counts['objects']} objects"
            )
        left_out = _left_out(summary)
        if left_out:
            terminal.print(f"left out  {left_out}", soft_wrap=True, markup=False)
        terminal.print(f"written   {out}", soft_wrap=True, markup=False)
        told = f"report    {out / data_convert.REPORT_FOLDER}"
        if _beside(out).exists():
            told += f"\nkept      {_beside(out)}, which is not of this conversion"
        terminal.print(told, soft_wrap=True, markup=False)
    return 0


def _left_out(summary: Mapping) -> str:
    """What the conversion lost, by kind of problem; empty when it lost nothing."""
    return ", ".join(
        f"{kind} {each['count']}"
        for kind, each in summary["problems"].items()
        if each["severity"] in ("dropped", "error") and each["count"]
    )


def latest(data: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """The folders, `{SPAN}` looked up as a run does."""
    if not any("{" in str(each) for each in data):
        return list(data)
    with progress.track("Looking for the latest span"):
        from components.coco_example_gen import driver  # TFX, whose rule it is

        return driver.latest_roots([str(e.expanduser().absolute()) for e in data])


def _tell_latest(
    folders: Sequence[pathlib.Path],
    data: Sequence[pathlib.Path],
    terminal: rich.console.Console,
) -> None:
    for folder, given in zip(folders, data, strict=True):
        if "{" in str(given):
            terminal.print(f"data      {folder}", soft_wrap=True, markup=False)


def _require_file_place(html: pathlib.Path) -> None:
    if html.is_dir():
        raise errors.UserError(f"--html {html}: is a folder. Name a file in it.")
    if not html.absolute().parent.is_dir():
        raise errors.UserError(
            f"--html {html}: there is no folder {html.absolute().parent}. Make it."
        )


@contextlib.contextmanager
def _old_page_told(page: pathlib.Path | None) -> Iterator[None]:
    """Says, when the block ends before a page is written, that one is there already."""
    try:
        yield
    except errors.UserError as error:
        if page is None or not page.exists():
            raise
        raise type(error)(
            f"{error}\n{page} was not written: it is of an earlier check."
        ) from None


def _beside(out: pathlib.Path) -> pathlib.Path:
    """Where the report of a conversion goes that the data stops."""
    return out.absolute().with_name(f"{out.absolute().name}.report")


@contextlib.contextmanager
def _report_kept(report: pathlib.Path, out: pathlib.Path) -> Iterator[None]:
    """Puts the report beside `out` when the block ends because of the data.

    Args:
        report: is not there any more after the block; without a layout it never is.
    """

    beside = _beside(out)
    files = (
        wire.PROBLEM_LINES_FILE,
        wire.PROBLEMS_FILE,
        wire.REPORT_PAGE_FILE,
    )
    output_folder.discard(beside, files)  # of a conversion that stopped earlier
    try:
        yield
    except errors.CocoFormatError as error:
        if beside.exists():
            raise errors.CocoFormatError(
                f"{error}\nThe report was not written, and {beside} is not of this "
                "conversion: it holds something else than a report. Move it away."
            ) from None
        if not report.is_dir():
            raise
        with output_folder.written(beside, force=False) as folder:
            for name in files:
                shutil.copyfile(report / name, folder / name)
        page = beside / wire.REPORT_PAGE_FILE
        raise errors.CocoFormatError(f"{error}\nThe report is {page}.") from None


def _load(source: str | None, overrides: Sequence[str]) -> config.PipelineConfig:
    if source is None:
        return config_file.from_values({}, overrides, "--set")
    return config_file.load(source, overrides)
