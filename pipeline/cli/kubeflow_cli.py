"""The commands `m2f kubeflow ...`."""

import enum
import pathlib
from typing import Annotated

import typer

from pipeline.cli import cli_exit

app = typer.Typer(
    help="Run the graph on Kubeflow Pipelines or Vertex AI.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


class Target(enum.StrEnum):
    """What a pipeline is compiled for."""

    KFP = "kfp"
    VERTEX = "vertex"


ConfigOption = Annotated[
    str,
    typer.Option(help="YAML file, or a preset: coco_r50.yaml, custom.yaml, demo.yaml."),
]
ImageOption = Annotated[
    str | None, typer.Option(help="Container image; goes before kubeflow.image.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value; repeatable."),
]
HostOption = Annotated[
    str | None,
    typer.Option(
        help="URL of the Kubeflow Pipelines API; may be left out with --in-cluster."
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Environment variable that holds an access token."
    ),
]
InClusterOption = Annotated[
    bool,
    typer.Option(
        "--in-cluster", help="Use the service account token of the pod this runs in."
    ),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option(help="Your profile's namespace, where Kubeflow has several users."),
]
CronOption = Annotated[
    str | None,
    typer.Option(
        metavar="EXPR",
        help="Run again and again, as in '0 3 * * *' for every night at three.",
    ),
]


@app.command("compile")
def compile_pipeline(
    config: ConfigOption,
    out: Annotated[pathlib.Path, typer.Option(help="File to write, .yaml.")],
    image: ImageOption = None,
    overrides: SetOption = None,
    target: Annotated[Target, typer.Option(help="Where it is to run.")] = Target.KFP,
) -> None:
    """Compile the graph into a pipeline file.

    Data folder, overrides and run name stay open: they are parameters of the run.
    """
    from pipeline.cli import kubeflow_commands

    cli_exit.finish(
        kubeflow_commands.compile_pipeline,
        config,
        image,
        out,
        overrides or [],
        target.value,
    )


@app.command()
def trainer_job(
    config: ConfigOption,
    out: Annotated[pathlib.Path, typer.Option(help="File to write, .yaml.")],
    image: ImageOption = None,
    overrides: SetOption = None,
) -> None:
    """Write the manifests of the pods that train along with the Trainer.

    Give it what `compile` was given. Needs kubeflow.workers of two or more and
    train.distribution multi_worker.
    """
    from pipeline.cli import kubeflow_commands

    cli_exit.finish(kubeflow_commands.trainer_job, config, image, out, overrides or [])


@app.command()
def submit(
    package: Annotated[pathlib.Path, typer.Argument(help="A compiled pipeline.")],
    host: HostOption = None,
    token_env: TokenOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data folder as the pods see it, or several: /a:/b; may hold {SPAN}."
        ),
    ] = None,
    overrides: SetOption = None,
    run_name: Annotated[str | None, typer.Option(help="Shown in Kubeflow.")] = None,
    experiment: Annotated[
        str | None, typer.Option(help="Group of runs; the pipeline's name if left out.")
    ] = None,
    service_account: Annotated[
        str | None, typer.Option(help="Kubernetes account the pods run as.")
    ] = None,
    cron: CronOption = None,
) -> None:
    """Start a run, or with --cron a run that recurs."""
    from pipeline.cli import kubeflow_commands
    from pipeline.cluster import kubeflow_api, kubeflow_client

    access = kubeflow_api.Access(host, token_env, in_cluster, namespace)
    request = kubeflow_client.Request(
        package=package,
        data=data,
        overrides=tuple(overrides or ()),
        run_name=run_name,
        experiment=experiment,
        service_account=service_account,
        cron=cron,
    )
    cli_exit.finish(kubeflow_commands.submit, access, request)


@app.command()
def status(
    run: Annotated[str, typer.Argument(help="Id that `submit` printed.")],
    host: HostOption = None,
    token_env: TokenOption = None,
    in_cluster: InClusterOption = False,
    namespace: NamespaceOption = None,
) -> None:
    """Show how far a run is. Exit code 1 when it failed or was cancelled."""
    from pipeline.cli import kubeflow_commands
    from pipeline.cluster import kubeflow_api

    access = kubeflow_api.Access(host, token_env, in_cluster, namespace)
    cli_exit.finish(kubeflow_commands.status, access, run)
