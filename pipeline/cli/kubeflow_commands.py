"""What each command of `m2f kubeflow` does, once its arguments are parsed."""

import pathlib
from collections.abc import Sequence

import rich.console

from foundation import console, progress
from pipeline.cluster import kubeflow_api, kubeflow_client
from pipeline.settings import config, config_file

_ENDED_BADLY = ("FAILED", "CANCELED")


def compile_pipeline(
    source: str,
    image: str | None,
    out: pathlib.Path,
    overrides: Sequence[str],
    target: str,
) -> int:
    """Writes a pipeline file and says what is in it."""
    from pipeline.cluster import kubeflow_checks, vertex_checks

    settings = _settings(source, image, overrides)
    # Said before TFX is imported, which takes seconds.
    if target == "vertex":
        vertex_checks.check(settings)
    else:
        kubeflow_checks.check(settings, out)
    with console.foreground() as terminal:
        if target == "vertex":
            from pipeline.cluster import vertex

            nodes = vertex.compile_pipeline(settings, out)
            done = f"{len(nodes)} nodes for Vertex AI, without baseline and cache"
        else:
            from pipeline.cluster import kubeflow

            dag = kubeflow.compile_yaml(settings, out)
            edges = sum(len(upstream) for upstream in dag.upstream.values())
            done = f"{len(dag.upstream)} nodes, {edges} edges, image "
            done += settings.kubeflow.image
        terminal.print(f"{out}: {done}", soft_wrap=True, markup=False)
        if settings.run.beam_runner == "dataflow":
            terminal.print(
                "CocoExampleGen runs in its own pod: Dataflow's machines do not see "
                "the volume of the data",
                soft_wrap=True,
            )
    return 0


def trainer_job(
    source: str, image: str | None, out: pathlib.Path, overrides: Sequence[str]
) -> int:
    """Writes manifests and says what to do with them."""
    from pipeline.cluster import kubeflow_checks, kubeflow_workers

    settings = _settings(source, image, overrides)
    kubeflow_checks.check(settings, out)
    job = kubeflow_workers.write_manifests(settings, out)
    terminal = rich.console.Console(highlight=False, soft_wrap=True)
    terminal.print(
        f"{out}: job {job}, {settings.kubeflow.workers - 1} workers beside the Trainer",
        markup=False,
    )
    terminal.print(
        f"Before each run: kubectl delete --ignore-not-found job {job} && kubectl "
        f"apply -f {out}, in the namespace of the run.",
        markup=False,
    )
    return 0


def submit(access: kubeflow_api.Access, request: kubeflow_client.Request) -> int:
    """Starts a run and prints its id."""
    run_id = kubeflow_client.submit(access, request)
    page = "recurringrun" if request.cron else "runs"
    terminal = rich.console.Console(highlight=False, soft_wrap=True)
    terminal.print(f"run       {run_id}", markup=False)
    terminal.print(f"page      {access.where}/#/{page}/details/{run_id}", markup=False)
    return 0


def status(access: kubeflow_api.Access, run_id: str) -> int:
    """Prints the state of a run and of its nodes."""
    run = kubeflow_client.status(access, run_id)
    terminal = rich.console.Console(highlight=False, soft_wrap=True)
    terminal.print(f"{run.name}  {run.state}", markup=False)
    for task in run.tasks:
        time = "" if task.seconds is None else progress.duration(task.seconds)
        line = f"  {task.name:20} {task.state:10} {time:>12}  {task.error}"
        terminal.print(line.rstrip(), markup=False)
    return 1 if run.state in _ENDED_BADLY else 0


def _settings(
    source: str, image: str | None, overrides: Sequence[str]
) -> config.PipelineConfig:
    settings = config_file.load(source, overrides)
    if image is None:
        return settings
    cluster = {**settings.kubeflow.model_dump(exclude_unset=True), "image": image}
    values = {**settings.model_dump(exclude_unset=True), "kubeflow": cluster}
    return config_file.from_values(values, [], source)
