"""A compiled pipeline, and the configuration it was compiled from."""

import pathlib

import yaml
from tfx.dsl.compiler import compiler

from pipeline import graph, locations
from pipeline.cluster import kubeflow_names
from pipeline.settings import config_file

# Every setting of the section `kubeflow` that the compiled file shows.
CLUSTER = {
    "image": "registry.example/m2f:1",
    "image_pull_policy": "Always",
    "image_pull_secret": "registry-key",
    "secret_env": {"WANDB_API_KEY": {"name": "wandb", "key": "api-key"}},
    "annotations": {"gke-gcsfuse/volumes": "true"},
    "defaults": {"cpu": "500m", "retries": 4, "labels": {"team": "vision"}},
    "nodes": {
        "Trainer": {
            "cpu": 4,
            "cpu_limit": 8,
            "memory": "16Gi",
            "memory_limit": "32Gi",
            "gpu_count": 2,
            "gpu_type": "nvidia.com/gpu",
            "node_selector": {"accelerator": "t4"},
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
            ],
            "shm": "8Gi",
            "retries": 1,
            "retry_seconds": 60,
            "timeout_seconds": 86400,
            "env": {"NCCL_DEBUG": "INFO"},
        }
    },
}
TUNE = {
    "trials": 2,
    "search": {"train.learning_rate": {"min": 1e-5, "max": 1e-3, "scale": "log"}},
}


def settings(cluster=None, **others):
    """A configuration with this section."""
    values = {
        "name": "my_demo",
        "model": {"backbone": {"norm": "group"}},  # from random weights
        "kubeflow": cluster or CLUSTER,
        **others,
    }
    return config_file.from_values(values, [], "a.yaml")


class Compiled:
    """A compiled file, taken apart."""

    def __init__(self, path: pathlib.Path):
        self.text = path.read_text()
        self.spec, platform = yaml.safe_load_all(self.text)
        self.tasks = self.spec["root"]["dag"]["tasks"]
        self._executors = self.spec["deploymentSpec"]["executors"]
        kubernetes = platform["platforms"]["kubernetes"]
        self._pods = kubernetes["deploymentSpec"]["executors"]

    def container(self, node_id: str) -> dict:
        return self._executors[self._executor(node_id)]["container"]

    def pod(self, node_id: str) -> dict:
        return self._pods[self._executor(node_id)]

    def argument(self, node_id: str, option: str) -> str:
        arguments = self.container(node_id)["args"]
        return arguments[arguments.index(option) + 1]

    def _executor(self, node_id: str) -> str:
        task = self.tasks[kubeflow_names.task_name(node_id)]
        component = self.spec["components"][task["componentRef"]["name"]]
        return component["executorLabel"]


def upstream_by_tfx():
    """Node id -> what it depends on, as TFX's own compiler sees it."""
    where = locations.Locations(
        ("other",), pathlib.Path("places"), pathlib.Path("altogether")
    )
    ir = compiler.Compiler().compile(graph.create_pipeline(settings(), where))
    nodes = [node.pipeline_node for node in ir.nodes]
    return {node.node_info.id: set(node.upstream_nodes) for node in nodes}
