"""What each `m2f data` command does, once its arguments are parsed."""

import json
import pathlib
import tempfile
from collections.abc import Sequence

from pipeline import config, config_file, console, errors, output_folder


def check(
    data: Sequence[pathlib.Path],
    source: str | None,
    overrides: Sequence[str],
    as_json: bool,
    html: pathlib.Path | None,
) -> int:
    """Prints the findings; data that a run would stop at is an error."""
    settings = _load(source, overrides)
    if html is not None and html.is_dir():
        raise errors.UserError(f"--html {html}: is a folder. Name a file in it.")
    if html is not None and not html.absolute().parent.is_dir():
        raise errors.UserError(
            f"--html {html}: there is no folder {html.absolute().parent}. Make it."
        )
    with console.foreground() as terminal, tempfile.TemporaryDirectory() as name:
        from pipeline import data_check

        if not terminal.is_terminal:  # a file or a pipe has no edge to wrap at
            terminal.width = 1000
        findings = data_check.check(data, settings, pathlib.Path(name))
        if as_json:
            # In ASCII: names of files need not be of characters.
            terminal.out(json.dumps(findings.to_json(), indent=1), highlight=False)
        else:
            terminal.print(findings)
        if html is not None and findings.page is not None:
            _copy(findings.page, html)
        if html is not None and not as_json:
            written = html if findings.page else "not written: ingestion stopped"
            terminal.print(f"page: {written}", soft_wrap=True, markup=False)
    findings.raise_if_stopped()
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
    output_folder.require_free(out, data, force)
    with console.foreground() as terminal:
        from pipeline import data_preview

        seed = settings.train.seed if seed is None else seed
        with output_folder.written(out, force) as folder:
            number = data_preview.write(data, settings, folder, count, seed)
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
    output_folder.require_free(out, data, force)
    with console.foreground() as terminal:
        from pipeline import data_convert

        write = {"tfrecord": data_convert.to_tfrecord, "coco": data_convert.to_coco}
        with output_folder.written(out, force) as folder:
            summary = write[to](data, settings, folder)
        for split, counts in summary["splits"].items():
            terminal.print(
                f"{split:<9} {counts['images']} images, {counts['objects']} objects"
            )
        terminal.print(f"written   {out}", soft_wrap=True, markup=False)
        terminal.print(
            f"report    {out / data_convert.REPORT_FOLDER}",
            soft_wrap=True,
            markup=False,
        )
    return 0


def _copy(page: pathlib.Path, target: pathlib.Path) -> None:
    """Writes the target whole, or not at all."""
    partial = target.with_name(f".{target.name}.partial")
    partial.write_bytes(page.read_bytes())
    partial.replace(target)


def _load(source: str | None, overrides: Sequence[str]) -> config.PipelineConfig:
    if source is None:
        return config_file.from_values({}, overrides, "--set")
    return config_file.load(source, overrides)
