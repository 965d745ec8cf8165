"""Compiles the graph into a pipeline for Kubeflow Pipelines: one container per node.

TFX's own runner for Kubeflow runs neither resolvers nor drivers of ours, and its
lineage is lost. Here KFP schedules, retries and shows, and every container hands its
node to TFX's launcher, which goes by our own metadata store: `run_node.py`.
"""

import dataclasses
import json
import pathlib
import typing

from kfp import compiler as kfp_compiler
from kfp import dsl
from kfp.dsl import base_component
from tfx.dsl.compiler import compiler

from foundation import artifact_paths
from model.weights import starting_weights
from pipeline import graph, locations
from pipeline.cluster import (
    kubeflow_checks,
    kubeflow_names,
    kubeflow_tasks,
    kubeflow_workers,
)
from pipeline.nodes import ir
from pipeline.settings import config, data_roots


@dataclasses.dataclass(frozen=True)
class Dag:
    """The shape of the graph.

    Attributes:
        upstream: node id -> ids of the nodes before it, in an order that runs.
        digest: see `ir.graph_digest`.
    """

    upstream: dict[str, tuple[str, ...]]
    digest: str


def compile_yaml(
    settings: config.PipelineConfig, out: pathlib.Path, python: str = "python"
) -> Dag:
    """Writes the pipeline that KFP is given.

    Args:
        settings: with everything under `kubeflow` that the cluster needs.
        out: a file ending in .yaml.
        python: interpreter inside the image.

    Raises:
        ConfigError: naming everything that could not work on a cluster.
    """
    kubeflow_checks.check(settings, out)
    kubeflow_workers.check(settings)
    dag = dag_of(settings)
    kubeflow_checks.check_nodes(settings.kubeflow, list(dag.upstream))
    launcher = kubeflow_tasks.Launcher(
        cluster=settings.kubeflow,
        python=python,
        config_json=embedded_config(settings),
        graph_digest=dag.digest,
        trainer_env=kubeflow_workers.chief_environment(settings),
        trainer_labels=kubeflow_workers.chief_labels(settings),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    kfp_compiler.Compiler().compile(_pipeline(settings, dag, launcher), str(out))
    return dag


def dag_of(settings: config.PipelineConfig) -> Dag:
    """Node ids and edges; they depend on no path, so none has to exist here."""
    cluster = settings.kubeflow
    where = locations.Locations(
        data_roots=data_roots.parse(cluster.data),
        artifact_root=artifact_paths.of(cluster.root),
        serving_root=artifact_paths.of(cluster.serving_root),
    )
    starting_weights.check_without_file(settings.train.init_from, settings.model)
    # The weights are where the pods are: the first task looks at them.
    train = settings.train.model_copy(update={"init_from": None})
    backbone = settings.model.backbone.model_copy(update={"norm": "group"})
    model = settings.model.model_copy(update={"backbone": backbone})
    shape = settings.model_copy(update={"train": train, "model": model})
    compiled = compiler.Compiler().compile(graph.create_pipeline(shape, where))
    upstream = {
        node.pipeline_node.node_info.id: tuple(node.pipeline_node.upstream_nodes)
        for node in compiled.nodes
    }
    return Dag(upstream, ir.graph_digest(compiled))


def embedded_config(settings: config.PipelineConfig) -> str:
    """What the first task reads: all but where the pods run.

    The image stays: Beam's workers on other machines have to run the same one.
    """
    values = settings.model_dump(mode="json")
    values["kubeflow"] = {"image": settings.kubeflow.image}
    return json.dumps(values, sort_keys=True)


def _pipeline(
    settings: config.PipelineConfig, dag: Dag, launcher: kubeflow_tasks.Launcher
) -> base_component.BaseComponent:
    @dsl.pipeline(
        name=kubeflow_names.pipeline_name(settings.name),
        description="Trains, evaluates, blesses and pushes a Mask2Former.",
    )
    def pipeline(
        data: str = settings.kubeflow.data, overrides: str = "", run_name: str = ""
    ):
        prepare = kubeflow_tasks.prepare_task(launcher, data, overrides, run_name)
        tasks: dict[str, dsl.PipelineTask] = {}
        for node_id, upstream in dag.upstream.items():
            before = [prepare, *(tasks[name] for name in upstream)]
            tasks[node_id] = kubeflow_tasks.node_task(launcher, node_id, before)

    # The decorator's annotation names a function; what it makes is a component.
    return typing.cast(base_component.BaseComponent, pipeline)
