"""Starts runs of a compiled pipeline and asks how far they are."""

import dataclasses
import datetime
import json
import pathlib
import re
import shlex
from typing import TYPE_CHECKING

import yaml

from foundation import errors
from pipeline.cluster import kubeflow_api, kubeflow_names, run_overrides
from pipeline.settings import data_roots

if TYPE_CHECKING:
    import kfp_server_api

_PARAMETERS = {"data", "overrides", "run_name"}
_CRON_FIELD = r"[0-9A-Za-z*?/,#-]+"


@dataclasses.dataclass(frozen=True)
class Request:
    """A run to start; None takes what the pipeline says.

    Attributes:
        cron: makes it a recurring run, see `cron_of`.
    """

    package: pathlib.Path
    data: str | None = None
    overrides: tuple[str, ...] = ()
    run_name: str | None = None
    experiment: str | None = None
    service_account: str | None = None
    cron: str | None = None


@dataclasses.dataclass(frozen=True)
class Task:
    """One node of a run; `seconds` is None before it has ended."""

    name: str
    state: str
    seconds: float | None
    error: str


@dataclasses.dataclass(frozen=True)
class Run:
    """How far a run is."""

    run_id: str
    name: str
    state: str
    tasks: list[Task]


@dataclasses.dataclass(frozen=True)
class _Package:
    """A file that `m2f kubeflow compile` wrote.

    Attributes:
        documents: the pipeline, and what is special to Kubernetes.
        config: sections of the configuration it was compiled with.
    """

    name: str
    documents: list[dict[str, object]]
    config: dict[str, object]

    def specification(self) -> dict[str, object]:
        """As the API takes it."""
        keys = ("pipeline_spec", "platform_spec")
        return dict(zip(keys, self.documents, strict=True))


def submit(access: kubeflow_api.Access, request: Request) -> str:
    """Starts a run, or a recurring one.

    Returns:
        Its id.

    Raises:
        UserError: the file, an override or the schedule cannot be used, or the API
            refused.
    """
    import kfp_server_api

    package = _read_package(request.package)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = request.run_name or f"{package.name}-{stamp}"
    parameters = _parameters(package, request)
    if request.cron is None:  # runs that recur would all have the same name
        parameters["run_name"] = name
    body = {
        "display_name": name,
        "pipeline_spec": package.specification(),
        "runtime_config": kfp_server_api.V2beta1RuntimeConfig(parameters=parameters),
        "service_account": request.service_account,
    }
    cron = cron_of(request.cron) if request.cron else None
    with kubeflow_api.connected(access) as client:
        experiment = request.experiment or package.name
        body["experiment_id"] = _experiment(client, experiment, access.namespace)
        if cron is None:
            return _start(client, body)
        return _schedule(client, body, cron)


def status(access: kubeflow_api.Access, run_id: str) -> Run:
    """Asks how far a run is.

    Raises:
        UserError: there is no such run, or the API refused.
    """
    import kfp_server_api

    with kubeflow_api.connected(access, unknown=f"run {run_id}") as client:
        run = kfp_server_api.RunServiceApi(client).run_service_get_run(
            run_id, _request_timeout=kubeflow_api.TIMEOUT
        )
    details = run.run_details.task_details if run.run_details else None
    tasks = [_task(detail) for detail in details or []]
    return Run(run.run_id, run.display_name, run.state or "PENDING", tasks)


def cron_of(expression: str) -> str:
    """KFP's six fields, seconds first, from five or six.

    Raises:
        UserError: it is neither.
    """
    fields = expression.split()
    good = all(re.fullmatch(_CRON_FIELD, field) for field in fields)
    if not good or len(fields) not in (5, 6):
        raise errors.UserError(
            f"--cron {expression!r}: wanted five fields (minute, hour, day, month, "
            "weekday), as in '0 3 * * *', or six with seconds first."
        )
    return " ".join(fields if len(fields) == 6 else ["0", *fields])


def _parameters(package: _Package, request: Request) -> dict[str, str]:
    """Values of the pipeline's parameters; what is left out keeps its default."""
    # The first task would refuse them too, but on the cluster and minutes later.
    run_overrides.settings(package.config, request.overrides, str(request.package))
    parameters = {"overrides": shlex.join(request.overrides)}
    if request.data is not None:
        for root in data_roots.parse(request.data):
            if not root.startswith("/"):
                raise errors.UserError(
                    f"--data {root}: wanted an absolute path as the pods see it, on "
                    "the volume they mount."
                )
        parameters["data"] = request.data
    return parameters


def _read_package(path: pathlib.Path) -> _Package:
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        pipeline, _ = documents
        inputs = pipeline["root"]["inputDefinitions"]["parameters"]
        executors = pipeline["deploymentSpec"]["executors"]
        arguments = executors[f"exec-{kubeflow_names.PREPARE}"]["container"]["args"]
        config = json.loads(arguments[arguments.index("--config-json") + 1])
        name = pipeline["pipelineInfo"]["name"]
    except OSError as error:
        raise errors.UserError(
            f"{path}: {error.strerror}. Give a file that `m2f kubeflow compile` wrote."
        ) from error
    except (KeyError, TypeError, ValueError, yaml.YAMLError):
        inputs = {}
    if set(inputs) != _PARAMETERS:
        raise errors.UserError(
            f"{path}: is not a pipeline that `m2f kubeflow compile` wrote for "
            "KFP. Compile one."
        )
    return _Package(name, documents, config)


def _experiment(
    client: "kfp_server_api.ApiClient", name: str, namespace: str | None
) -> str:
    """Id of the experiment of that name, made if there is none."""
    import kfp_server_api

    api = kfp_server_api.ExperimentServiceApi(client)
    predicate = {
        "operation": "EQUALS",
        "key": "display_name",
        "stringValue": name,
    }
    found = api.experiment_service_list_experiments(
        filter=json.dumps({"predicates": [predicate]}),
        namespace=namespace or "",
        _request_timeout=kubeflow_api.TIMEOUT,
    ).experiments
    if found:
        return found[0].experiment_id
    wanted = kfp_server_api.V2beta1Experiment(display_name=name, namespace=namespace)
    made = api.experiment_service_create_experiment(
        wanted, _request_timeout=kubeflow_api.TIMEOUT
    )
    return made.experiment_id


def _start(client: "kfp_server_api.ApiClient", body: dict[str, object]) -> str:
    import kfp_server_api

    run = kfp_server_api.V2beta1Run(**body)
    api = kfp_server_api.RunServiceApi(client)
    return api.run_service_create_run(run, _request_timeout=kubeflow_api.TIMEOUT).run_id


def _schedule(
    client: "kfp_server_api.ApiClient", body: dict[str, object], cron: str
) -> str:
    import kfp_server_api

    schedule = kfp_server_api.V2beta1CronSchedule(cron=cron)
    recurring = kfp_server_api.V2beta1RecurringRun(
        **body,
        trigger=kfp_server_api.V2beta1Trigger(cron_schedule=schedule),
        mode=kfp_server_api.RecurringRunMode.ENABLE,
        max_concurrency="1",
        no_catchup=True,
    )
    api = kfp_server_api.RecurringRunServiceApi(client)
    return api.recurring_run_service_create_recurring_run(
        recurring, _request_timeout=kubeflow_api.TIMEOUT
    ).recurring_run_id


def _task(detail: "kfp_server_api.V2beta1PipelineTaskDetail") -> Task:
    seconds = None
    if detail.end_time and detail.start_time:
        seconds = (detail.end_time - detail.start_time).total_seconds()
    error = detail.error.message if detail.error else ""
    return Task(detail.display_name, detail.state or "PENDING", seconds, error or "")
