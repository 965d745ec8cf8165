"""Which arguments Beam gets, so that a job runs where it should and nothing is fetched.

Three pins hold for every runner. The runner is named: Beam's default first tries to
download another one. A container image is named: without one TFX builds a source
package of itself and ships it to the workers. And TFX is imported first in every
worker: it puts a stand-in where TensorFlow Data Validation looks for a part of tfx-bsl
that is gone.
"""

import json
from collections.abc import Sequence

_ONE_PROCESS = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_PROCESSES = "pipeline.nodes.beam_runner.ProcessRunner"
_PLUGIN = "--beam_plugin=tfx"
# Workers that are started by a pool need no container engine on their machine.
_WORKER_POOL = ("--environment_type=EXTERNAL", "--environment_config=localhost:50000")
# The Service in kubeflow/manifests/components/flink.
_JOB_SERVER = "m2f-beam-job-server"
_PACKAGE_OPTIONS = (
    "setup_file",
    "requirements_file",
    "extra_package",
    "extra_packages",
)
_NEEDED = {
    "local": {},
    "portable": {"job_endpoint": "--job_endpoint=host:8099"},
    "flink": {},
    "dataflow": {
        "project": "--project=my-project",
        "region": "--region=europe-west4",
        "temp_location": "--temp_location=gs://bucket/tmp",
        "sdk_container_image": "--sdk_container_image=REGISTRY/IMAGE:TAG",
    },
}


def build(
    runner: str, workers: int, extra: Sequence[str], image: str = ""
) -> list[str]:
    """The arguments of one job.

    Args:
        runner: `local`, `portable`, `flink` or `dataflow`.
        extra: arguments that replace those of the same name set here.
        image: container image of the workers; with a worker pool it is not pulled.
    """
    chosen = [*_of_runner(runner, workers), f"--sdk_container_image={image or 'local'}"]
    replaced = {_name(argument) for argument in extra}
    kept = [argument for argument in chosen if _name(argument) not in replaced]
    return [*kept, _PLUGIN, *extra]


def _of_runner(runner: str, workers: int) -> tuple[str, ...]:
    if runner == "portable":
        return ("--runner=PortableRunner", *_WORKER_POOL)
    if runner == "flink":
        return (
            "--runner=PortableRunner",
            f"--job_endpoint={_JOB_SERVER}:8099",
            # Else the server names its own address, which other pods cannot reach.
            f"--artifact_endpoint={_JOB_SERVER}:8098",
            f"--parallelism={workers}",
            *_WORKER_POOL,
        )
    if runner == "dataflow":
        return ("--runner=DataflowRunner", f"--num_workers={workers}")
    if workers == 1:
        mode, name = "in_memory", _ONE_PROCESS
    else:
        mode, name = "multi_processing", _PROCESSES
    return (
        f"--runner={name}",
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={workers}",
    )


def check(runner: str, extra: Sequence[str]) -> None:
    """Refuses arguments that would be ignored, lose data or fetch something.

    Raises:
        ValueError: naming the argument and what to write.
    """
    for argument in extra:
        name = _name(argument)
        if not argument.startswith("--"):
            raise ValueError(
                f"beam_args {argument!r}: wanted --name=value in one text, as in "
                "--job_endpoint=host:8099"
            )
        if name == "runner":
            refuse_dask(argument)
            raise ValueError(
                f"beam_args {argument!r}: set beam_runner instead: {', '.join(_NEEDED)}"
            )
        if name in _PACKAGE_OPTIONS:
            raise ValueError(
                f"beam_args {argument!r}: workers install nothing, they run the image "
                "that also runs the nodes. Build what is missing into that image"
            )
    given = {_name(argument): argument.partition("=")[2] for argument in extra}
    missing = [text for name, text in _NEEDED[runner].items() if not given.get(name)]
    if missing:
        raise ValueError(
            f"beam_runner {runner!r} needs more in beam_args: {' '.join(missing)}"
        )
    if runner == "dataflow" and not given["temp_location"].startswith("gs://"):
        raise ValueError(
            f"beam_args --temp_location={given['temp_location']}: Google's machines "
            "write there, wanted an address such as gs://bucket/tmp"
        )


def overrides(runner: str | None, extra: Sequence[str]) -> list[str]:
    """The two command-line options as overrides of the configuration."""
    found = [] if runner is None else [f"run.beam_runner={runner}"]
    return [*found, f"run.beam_args={json.dumps(list(extra))}"] if extra else found


def refuse_dask(runner: str) -> None:
    """Refuses the runner that ends well and leaves empty files.

    Raises:
        ValueError: when `runner` names it.
    """
    if "dask" in runner.lower():
        raise ValueError(
            f"{runner!r}: Beam 2.77's DaskRunner loses data: WriteToTFRecord succeeds "
            "and its file is empty. Use flink, portable or local"
        )


def _name(argument: str) -> str:
    return argument.lstrip("-").partition("=")[0]
