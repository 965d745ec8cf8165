"""Tasks of a compiled pipeline: the container of each node and what its pod gets."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from kfp import dsl, kubernetes
from kfp.dsl import base_component

from pipeline.cluster import kubeflow_names
from pipeline.metadata import metadata_url
from pipeline.settings import kubeflow_config

_REPORTING_NODE = "CocoEvaluator"
_TRAINING_NODE = "Trainer"


@dataclasses.dataclass(frozen=True)
class Launcher:
    """How a container starts.

    Attributes:
        python: interpreter inside the image.
        config_json: the configuration, for the first task.
        graph_digest: of the graph the tasks are made for, see `ir.graph_digest`.
        trainer_env, trainer_labels: of the pod that trains, when others train along.
    """

    cluster: kubeflow_config.KubeflowConfig
    python: str
    config_json: str
    graph_digest: str
    trainer_env: dict[str, str]
    trainer_labels: dict[str, str]

    @property
    def command(self) -> list[str]:
        """The image's own entry point is ignored, so all of it stands here."""
        return [self.python, "-m", "pipeline.cluster.run_node"]


def prepare_task(
    launcher: Launcher, data: str, overrides: str, run_name: str
) -> dsl.PipelineTask:
    """The task that sets the database up and writes the graph down for the others.

    Args:
        data, overrides, run_name: parameters of the pipeline, as KFP's channels.
    """

    def prepare(
        data: str,
        overrides: str,
        run_name: str,
        run_id: str,
        reference: dsl.OutputPath(str),  # pyright: ignore[reportInvalidTypeForm]
    ) -> dsl.ContainerSpec:
        arguments = {
            "--config-json": launcher.config_json,
            "--overrides": overrides,
            "--data": data,
            "--root": launcher.cluster.root,
            "--serving": launcher.cluster.serving_root,
            "--run-id": run_id,
            "--run-name": run_name,
            "--graph-digest": launcher.graph_digest,
            "--reference-out": reference,
        }
        return _container(launcher, kubeflow_names.PREPARE, arguments)

    task = dsl.container_component(prepare)(
        data=data,
        overrides=overrides,
        run_name=run_name,
        run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
    )
    return _configure(task, launcher, kubeflow_names.PREPARE)


def node_task(
    launcher: Launcher, node_id: str, upstream: Sequence[dsl.PipelineTask]
) -> dsl.PipelineTask:
    """The task of one node, which starts when those before it have ended.

    Args:
        upstream: the prepare task first, then those of the nodes it depends on.
    """
    if node_id == _REPORTING_NODE:
        component = _reporting_component(launcher, node_id)
    else:
        component = _component(launcher, node_id)
    task = component(
        run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        reference=upstream[0].outputs["reference"],
    )
    task.after(*upstream)
    return _configure(task, launcher, node_id)


def _component(launcher: Launcher, node_id: str) -> base_component.BaseComponent:
    def node(
        run_id: str, reference: str, summary: dsl.Output[dsl.Markdown]
    ) -> dsl.ContainerSpec:
        arguments = {
            "--node-id": node_id,
            "--run-id": run_id,
            "--reference": reference,
            "--summary-out": summary.path,
        }
        return _container(launcher, "node", arguments)

    node.__name__ = kubeflow_names.task_name(node_id)
    return dsl.container_component(node)


def _reporting_component(
    launcher: Launcher, node_id: str
) -> base_component.BaseComponent:
    def node(
        run_id: str,
        reference: str,
        summary: dsl.Output[dsl.Markdown],
        report: dsl.Output[dsl.HTML],
    ) -> dsl.ContainerSpec:
        arguments = {
            "--node-id": node_id,
            "--run-id": run_id,
            "--reference": reference,
            "--summary-out": summary.path,
            "--ui-metadata": report.path,
        }
        return _container(launcher, "node", arguments)

    node.__name__ = kubeflow_names.task_name(node_id)
    return dsl.container_component(node)


def _container(
    launcher: Launcher, action: str, arguments: dict[str, str]
) -> dsl.ContainerSpec:
    flat = [part for pair in arguments.items() for part in pair]
    return dsl.ContainerSpec(
        image=launcher.cluster.image,
        command=[*launcher.command, action],
        args=list[Any](flat),
    )


def _configure(
    task: dsl.PipelineTask, launcher: Launcher, node_id: str
) -> dsl.PipelineTask:
    """Gives a task everything the configuration says of its pod."""
    cluster = launcher.cluster
    resources = cluster.resources(node_id)
    labels = {**kubeflow_names.LABELS, "m2f/node": node_id, **resources.labels}
    if node_id == _TRAINING_NODE:
        labels |= launcher.trainer_labels
        for name, value in launcher.trainer_env.items():
            task.set_env_variable(name, value)
    # KFP's cache knows neither the data nor the metadata store; TFX's knows both.
    task.set_caching_options(enable_caching=False)
    task.set_retry(
        num_retries=resources.retries,
        backoff_duration=f"{resources.retry_seconds}s",
        backoff_factor=2.0,
    )
    _size(task, resources)
    _place(task, resources)
    _connect(task, cluster, resources)
    for key, value in labels.items():
        kubernetes.add_pod_label(task, key, value)
    for key, value in cluster.annotations.items():
        kubernetes.add_pod_annotation(task, key, value)
    return task


def _size(task: dsl.PipelineTask, resources: kubeflow_config.Resources) -> None:
    setters = {
        task.set_cpu_request: resources.cpu,
        task.set_cpu_limit: resources.cpu_limit,
        task.set_memory_request: resources.memory,
        task.set_memory_limit: resources.memory_limit,
    }
    for setter, value in setters.items():
        if value:
            setter(value)
    if resources.gpu_count:
        task.set_accelerator_type(resources.gpu_type)
        task.set_accelerator_limit(resources.gpu_count)
    if resources.shm:
        kubernetes.empty_dir_mount(
            task,
            "shm",
            "/dev/shm",  # noqa: S108
            medium="Memory",
            size_limit=resources.shm,
        )
    if resources.timeout_seconds:
        kubernetes.set_timeout(task, resources.timeout_seconds)


def _place(task: dsl.PipelineTask, resources: kubeflow_config.Resources) -> None:
    for key, value in resources.node_selector.items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in resources.tolerations:
        kubernetes.add_toleration(
            task,
            key=toleration.key,
            operator=toleration.operator,
            value=toleration.value,
            effect=toleration.effect,
            toleration_seconds=toleration.seconds,
        )


def _connect(
    task: dsl.PipelineTask,
    cluster: kubeflow_config.KubeflowConfig,
    resources: kubeflow_config.Resources,
) -> None:
    """Image, volume, database and environment."""
    kubernetes.set_image_pull_policy(task, cluster.image_pull_policy)
    if cluster.image_pull_secret:
        kubernetes.set_image_pull_secrets(task, [cluster.image_pull_secret])
    if cluster.pvc:
        kubernetes.mount_pvc(task, cluster.pvc.name, cluster.pvc.mount_path)
    variables = {**resources.env, metadata_url.URL_VARIABLE: cluster.metadata.url}
    for name, value in variables.items():
        task.set_env_variable(name, value)
    secrets = dict(cluster.secret_env)
    if cluster.metadata.password_secret:
        secrets[metadata_url.PASSWORD_VARIABLE] = cluster.metadata.password_secret
    for name, secret in secrets.items():
        kubernetes.use_secret_as_env(task, secret.name, {secret.key: name})
