"""The `m2f data` commands: a look at a dataset before anything is trained on it."""

import enum
import pathlib
from typing import Annotated

import typer

from pipeline.cli import cli_exit

app = typer.Typer(
    help="Check, look at and convert a dataset, without training.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

DataArgument = Annotated[
    list[pathlib.Path],
    typer.Argument(
        metavar="DIR...",
        help="Folders with annotations and images; of several, classes of the same "
        "name are one. Each may hold {SPAN}: the latest is taken.",
    ),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(help="YAML file or preset; the defaults of every key if left out."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a configuration value, as in data.on_problem=strict; "
        "repeatable.",
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Replace what this command wrote to --out before."),
]


class Format(enum.StrEnum):
    """What `m2f data convert` writes."""

    TFRECORD = "tfrecord"
    COCO = "coco"


@app.command()
def check(
    data: DataArgument,
    config: ConfigOption = None,
    overrides: SetOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON.")
    ] = False,
    html: Annotated[
        pathlib.Path | None,
        typer.Option(metavar="FILE", help="Write the ingestion report as a web page."),
    ] = None,
) -> None:
    """Say what ingestion and the data gate would find, without training.

    Exit code 0: a run would get past the gate.
    2: it would be stopped, or the data cannot be read.
    Takes room for a copy of the images in the folder for temporary files (TMPDIR).
    """
    from pipeline.cli import data_commands

    cli_exit.finish(data_commands.check, data, config, overrides or [], as_json, html)


@app.command()
def preview(
    data: DataArgument,
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder for the pictures and the page.")
    ] = pathlib.Path("preview"),
    count: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 16,
    seed: Annotated[
        int | None, typer.Option(help="Of the augmentation; train.seed if left out.")
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
    force: ForceOption = False,
) -> None:
    """Draw what the network is fed: images after augmentation, masks and names."""
    from pipeline.cli import data_commands

    cli_exit.finish(
        data_commands.preview, data, out, count, seed, config, overrides or [], force
    )


@app.command()
def convert(
    data: DataArgument,
    out: Annotated[pathlib.Path, typer.Option(help="Folder to write.")],
    to: Annotated[
        Format,
        typer.Option(
            "--format",
            help="tfrecord: what a run trains on; coco: a repaired COCO dataset.",
        ),
    ] = Format.TFRECORD,
    config: ConfigOption = None,
    overrides: SetOption = None,
    force: ForceOption = False,
) -> None:
    """Write a dataset as TFRecords, or as COCO with everything repaired.

    The folder appears when all of it is written.
    `--out/report` says what was repaired or left out.
    """
    from pipeline.cli import data_commands

    cli_exit.finish(
        data_commands.convert, data, out, to.value, config, overrides or [], force
    )
