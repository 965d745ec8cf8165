"""The `m2f` command."""

import pathlib
from typing import Annotated

import typer

from pipeline.cli import cli_exit, data_cli, kubeflow_cli

app = typer.Typer(
    name="m2f",
    help="Instance segmentation from a COCO folder to a blessed, pushed Mask2Former.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

WorkspaceOption = Annotated[
    pathlib.Path,
    typer.Option(help="Folder that holds all state: artifacts, metadata, logs."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a configuration value, as in train.batch_size=4; repeatable.",
    ),
]
BeamRunnerOption = Annotated[
    str | None,
    typer.Option(
        metavar="local|portable|flink|dataflow",
        help="Where ingestion, statistics and Transform run; dataflow needs a "
        "cluster with its root in gs://.",
    ),
]
BeamArgsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--beam-arg",
        metavar="ARG",
        help="Raw argument for Beam, as --beam-arg=--job_endpoint=host:8099; "
        "repeatable.",
    ),
]
ModelOption = Annotated[
    pathlib.Path,
    typer.Option(help="A pushed model: its folder, or one version below it."),
]
DEFAULT_WORKSPACE = pathlib.Path("workspace")

weights_app = typer.Typer(
    help="Weights to start training from, made from other implementations' files.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(weights_app, name="weights")
app.add_typer(data_cli.app, name="data")
app.add_typer(kubeflow_cli.app, name="kubeflow")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(metadata.version("mask2former-tfx"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="A smoke run in under two minutes: few images and steps, and any "
            "defined mask AP is blessed.",
        ),
    ] = False,
    overrides: SetOption = None,
) -> None:
    """Make a toy dataset, then train, evaluate, bless and push a model on it."""
    from pipeline.cli import commands

    cli_exit.finish(commands.demo, workspace, quick, overrides or [])


@app.command()
def run(
    data: Annotated[
        list[pathlib.Path],
        typer.Option(
            help="Folder with annotations and images: COCO, LabelMe and others; "
            "repeatable, several are merged."
        ),
    ],
    config: Annotated[
        str,
        typer.Option(
            help="YAML file, or a preset: small.yaml, custom.yaml, coco_r50.yaml."
        ),
    ],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    overrides: SetOption = None,
    beam_runner: BeamRunnerOption = None,
    beam_args: BeamArgsOption = None,
) -> None:
    """Run the whole graph on your own data.

    Exit code 0: a model was blessed and pushed.
    1: it was refused, or a node failed.
    2: the data, the configuration or the workspace cannot be used.
    """
    from pipeline.cli import commands
    from pipeline.settings import beam_arguments

    chosen = beam_arguments.overrides(beam_runner, beam_args or [])
    chosen += overrides or []
    cli_exit.finish(commands.run, data, config, workspace, chosen)


@app.command()
def tune(
    data: Annotated[
        list[pathlib.Path],
        typer.Option(help="As in `m2f run`: a folder of data; repeatable."),
    ],
    config: Annotated[
        str, typer.Option(help="YAML file with a section `tune`, or a preset.")
    ],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    overrides: SetOption = None,
) -> None:
    """Run the whole graph, after trials that choose what to train with.

    Trains tune.trials times with values from tune.search, and trains the model with
    those of the best mask AP. Exit codes as in `m2f run`.
    """
    from pipeline.cli import commands

    cli_exit.finish(commands.tune, data, config, workspace, overrides or [])


@app.command()
def train(
    config: Annotated[
        str,
        typer.Option(
            help="YAML file, or a preset: small.yaml, custom.yaml, coco_r50.yaml."
        ),
    ],
    out: Annotated[
        pathlib.Path,
        typer.Option(help="Folder of this training: model, checkpoints, curves, log."),
    ],
    data: Annotated[
        list[pathlib.Path] | None,
        typer.Option(
            help="Folder with annotations and images: COCO, LabelMe and others; "
            "repeatable, several are merged."
        ),
    ] = None,
    examples: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Instead of --data: TFRecords of `m2f data convert`, or an artifact "
            "of CocoExampleGen."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same as --set train.seed=SEED.")
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Train alone: no gate, no blessing, no push, no metadata database.

    The model is the one that `m2f run` would train. Interrupted, the same command goes
    on from the last checkpoint.
    """
    from pipeline.cli import commands

    chosen = [*(overrides or []), *([] if seed is None else [f"train.seed={seed}"])]
    cli_exit.finish(commands.train, data or [], examples, config, out, chosen)


@app.command()
def predict(
    images: Annotated[list[pathlib.Path], typer.Argument(help="Image files.")],
    model: ModelOption,
    out: Annotated[
        pathlib.Path, typer.Option(help="Folder for the pictures and the JSON.")
    ],
    min_score: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Hide detections below this.")
    ] = 0.5,
) -> None:
    """Draw what a pushed model finds, and write it as COCO results."""
    from pipeline.cli import commands

    cli_exit.finish(commands.predict, model, images, out, min_score)


@app.command()
def evaluate(
    model: ModelOption,
    data: Annotated[
        pathlib.Path,
        typer.Option(help="Folder with COCO annotations and images."),
    ],
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 1,
) -> None:
    """Score a pushed model on the eval split of a COCO folder."""
    from pipeline.cli import commands

    cli_exit.finish(commands.evaluate, model, data, batch_size)


@app.command()
def lineage(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A pushed version, also in gs://; the latest one if left out."
        ),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    metadata: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A cluster's metadata database instead of a workspace's: "
            "mysql://user@host:3306/db or postgresql://user@host:5432/db; the password "
            "is taken from M2F_METADATA_PASSWORD.",
        ),
    ] = None,
) -> None:
    """Trace a pushed model to its data, configuration, code and verdict."""
    from pipeline.cli import commands

    cli_exit.finish(commands.lineage, model, workspace, metadata)


@weights_app.command()
def convert(
    source: Annotated[
        pathlib.Path,
        typer.Argument(
            metavar="SRC",
            help="Detectron2 .pkl, Hugging Face or torchvision/timm .safetensors, "
            "PyTorch .pth (EfficientNet-Lite's and Swin's as well), Keras "
            "applications .h5.",
        ),
    ],
    out: Annotated[
        pathlib.Path,
        typer.Argument(
            metavar="OUT", help="File ending in .safetensors, for train.init_from."
        ),
    ],
    categories: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="COCO JSON with the categories the checkpoint was trained on, so "
            "that classes of the same name keep their weights."
        ),
    ] = None,
    torch_python: Annotated[
        str | None,
        typer.Option(
            metavar="PYTHON",
            help="A Python that has PyTorch, for a .pth that is not read without.",
        ),
    ] = None,
) -> None:
    """Convert a Mask2Former or a backbone alone to start training from.

    No file is executed: pickles are read as data.
    The Mask2Former authors' published weights are licensed CC BY-NC 4.0, not for
    commercial use; none are shipped here.
    """
    from pipeline.cli import commands

    cli_exit.finish(commands.convert_weights, source, out, categories, torch_python)
