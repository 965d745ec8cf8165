"""Compiles the graph for Vertex AI with TFX's own runner, KubeflowV2DagRunner.

Vertex AI schedules, keeps the lineage in its own metadata store and passes artifacts
as gs:// addresses. What that runner cannot do is refused by `vertex_checks`; the nodes
see Cloud Storage as a folder, see `run_vertex`.
"""

import json
import pathlib

from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.dsl.components.base import base_component
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from foundation import artifact_paths, errors
from pipeline import graph, locations
from pipeline.cluster import kubeflow_names, run_vertex, vertex_checks
from pipeline.settings import config, data_roots, kubeflow_config

_ContainerSpec = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec
_GIGABYTE = 1e9


def compile_pipeline(
    settings: config.PipelineConfig, out: pathlib.Path, python: str = "python"
) -> list[str]:
    """Writes a pipeline job for Vertex AI.

    Args:
        settings: with image, root, data and machines under `kubeflow`.
        out: a file ending in .json.
        python: interpreter inside the image.

    Returns:
        Ids of the nodes in it.

    Raises:
        ConfigError: naming everything that Vertex AI cannot do.
    """
    if out.suffix != ".json":
        raise errors.ConfigError(f"--out {out}: wanted a file that ends in .json.")
    vertex_checks.check(settings)
    pipeline = _pipeline(settings)
    node_ids = [component.id for component in pipeline.components]
    vertex_checks.check_nodes(settings.kubeflow, node_ids)
    for component in pipeline.components:
        if isinstance(component, base_component.BaseComponent):
            resources = settings.kubeflow.resources(component.id)
            component.with_platform_config(_machine(resources))
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            display_name=settings.name,
            default_image=settings.kubeflow.image,
            default_commands=[python, "-m", "pipeline.cluster.run_vertex"],
            use_pipeline_spec_2_1=True,
        )
    )
    job = runner.run(pipeline, write_out=False)
    _finish(job["pipelineSpec"], settings.kubeflow)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(job, indent=1, sort_keys=True), encoding="utf-8")
    return node_ids


def _pipeline(settings: config.PipelineConfig) -> tfx_pipeline.Pipeline:
    cluster = settings.kubeflow
    schema = f"{run_vertex.PACKAGED}schemas/{locations.SCHEMA.name}"
    where = locations.Locations(
        data_roots=tuple(
            vertex_checks.mounted(root) for root in data_roots.parse(cluster.data)
        ),
        artifact_root=artifact_paths.of(cluster.root),
        serving_root=artifact_paths.of(vertex_checks.mounted(cluster.serving_root)),
        schema_file=f"{schema}#{locations.schema_digest()}",
    )
    # Vertex AI's cache goes by the name of the data folder and not by its content.
    run = settings.run.model_copy(update={"enable_cache": False})
    changes = {"name": kubeflow_names.pipeline_name(settings.name), "run": run}
    return graph.create_pipeline(
        settings.model_copy(update=changes), where, with_history=False
    )


def _machine(resources: kubeflow_config.Resources) -> _ContainerSpec.ResourceSpec:
    """CPU and memory that Vertex AI picks a machine by, and its accelerators."""
    machine = _ContainerSpec.ResourceSpec()
    cpu = resources.cpu_limit or resources.cpu
    memory = resources.memory_limit or resources.memory
    if cpu:
        machine.cpu_limit = kubeflow_config.quantity(cpu)
    if memory:
        machine.memory_limit = kubeflow_config.quantity(memory) / _GIGABYTE
    if resources.gpu_count:
        machine.accelerator.type = resources.gpu_type
        machine.accelerator.count = resources.gpu_count
    return machine


def _finish(spec: dict, cluster: kubeflow_config.KubeflowConfig) -> None:
    """Adds what TFX's runner has no words for: retries and environment."""
    for node_id, task in spec["root"]["dag"]["tasks"].items():
        resources = cluster.resources(node_id)
        task["cachingOptions"] = {"enableCache": False}
        task["retryPolicy"] = {
            "maxRetryCount": resources.retries,
            "backoffDuration": f"{resources.retry_seconds}s",
            "backoffFactor": 2.0,
        }
        label = spec["components"][node_id]["executorLabel"]
        container = spec["deploymentSpec"]["executors"][label]["container"]
        container["env"] = [
            {"name": name, "value": value} for name, value in resources.env.items()
        ]
