"""Refuses what TFX's runner for Vertex AI would drop, or compile into a failure."""

import re
from collections.abc import Iterator, Sequence

from model.weights import starting_weights
from pipeline.cluster import compile_checks, kubeflow_names
from pipeline.settings import config, data_roots, kubeflow_config

_PLACE = "Vertex AI"
_LONGEST_NAME = 128
_MOUNT = "/gcs"
_NO_BASELINE = -1.0
_UNKNOWN_OF_PODS = ("node_selector", "tolerations", "shm", "timeout_seconds", "labels")
_UNKNOWN_OF_CLUSTER = (
    "image_pull_secret",
    "secret_env",
    "service_account",
    "annotations",
)
_SECRETS_GO = (
    "Keep it in Google's Secret Manager, where the code that needs it asks for it as "
    "the job's service account."
)


def check(settings: config.PipelineConfig) -> None:
    """Everything that can be said without building the graph.

    Raises:
        ConfigError: naming all that is wrong.
    """
    compile_checks.refuse(
        _PLACE,
        [
            *_pipeline_problems(settings),
            *_folder_problems(settings),
            *_running_problems(settings),
            *compile_checks.secret_problems(settings, _SECRETS_GO),
            *compile_checks.template_problems(settings),
        ],
    )


def check_nodes(
    cluster: kubeflow_config.KubeflowConfig, node_ids: Sequence[str]
) -> None:
    """What depends on the nodes of the graph.

    Raises:
        ConfigError: naming all that is wrong.
    """
    problems = list(compile_checks.unknown_nodes(_PLACE, cluster.nodes, node_ids))
    for node_id in node_ids:
        resources = cluster.resources(node_id)
        for field in _UNKNOWN_OF_PODS:
            if getattr(resources, field):
                problems.append(
                    f"kubeflow.nodes.{node_id}.{field}: Vertex AI has no such setting. "
                    "Leave it out."
                )
        if resources.gpu_count and not re.fullmatch(r"[A-Z0-9_]+", resources.gpu_type):
            problems.append(
                f"kubeflow.nodes.{node_id}.gpu_type {resources.gpu_type}: wanted an "
                "accelerator of Vertex AI, such as NVIDIA_TESLA_T4."
            )
    compile_checks.refuse(_PLACE, problems)


def mounted(path: str) -> str:
    """Where containers on Vertex AI see a place in Cloud Storage."""
    return re.sub(r"^gs://", f"{_MOUNT}/", path)


def _pipeline_problems(settings: config.PipelineConfig) -> Iterator[str]:
    if not settings.kubeflow.image:
        yield (
            "kubeflow.image: no container image. Push one to Artifact Registry and "
            "give it with --image."
        )
    if len(kubeflow_names.pipeline_name(settings.name)) > _LONGEST_NAME:
        yield f"name {settings.name}: wanted at most {_LONGEST_NAME} letters."
    if settings.evaluate.min_mask_ap_change != _NO_BASELINE:
        yield (
            f"evaluate.min_mask_ap_change {settings.evaluate.min_mask_ap_change}: "
            "there is no baseline on Vertex AI, whose runner knows two strategies of "
            "TFX and not the one that finds the latest blessed model but the "
            f"candidate. Set it to {_NO_BASELINE} to bless by evaluate.min_mask_ap "
            "alone, or compile for KFP."
        )
    for name in ("class_drift", "feature_drift"):
        if getattr(settings.data.gate, name).severity == "error":
            yield (
                f"data.gate.{name}.severity error: there are no statistics of the data "
                "before on Vertex AI, for the same reason, so nothing would ever be "
                "stopped. Set it to off, or compile for KFP."
            )


def _folder_problems(settings: config.PipelineConfig) -> Iterator[str]:
    cluster = settings.kubeflow
    if not re.match(r"^gs://[^/]+/.", cluster.root):
        yield (
            f"kubeflow.root {cluster.root}: Vertex AI keeps artifacts in Cloud "
            "Storage; wanted gs://bucket/folder."
        )
    folders = {
        "kubeflow.serving_root": cluster.serving_root,
        "train.init_from": starting_weights.place_of(settings.train.init_from)
        or "gs://",
    }
    places = [*folders.items()]
    places += [("kubeflow.data", root) for root in data_roots.parse(cluster.data)]
    for key, path in places:
        if not mounted(path).startswith(f"{_MOUNT}/"):
            yield f"{key} {path}: wanted a place in Cloud Storage, gs://bucket/folder."
    if "{" in cluster.data:
        yield (
            f"kubeflow.data {cluster.data}: the driver that looks for the latest span "
            "never runs on Vertex AI. Name the folder itself, or compile for KFP."
        )


def _running_problems(settings: config.PipelineConfig) -> Iterator[str]:
    cluster, run = settings.kubeflow, settings.run
    if cluster.workers > 1 or settings.train.distribution == "multi_worker":
        yield (
            "kubeflow.workers: TFX's runner gives a node one machine on Vertex AI. Use "
            "a machine with more GPUs and train.distribution=mirrored."
        )
    if settings.tune.trials:
        yield (
            "tune.trials: a search keeps its trials below the node's folder, which "
            "TFX's runner does not name on Vertex AI. Tune elsewhere and set the best "
            "values."
        )
    if run.beam_runner != "local":
        yield (
            f"run.beam_runner {run.beam_runner}: nodes on Vertex AI reach Cloud "
            "Storage through a mount that Beam's workers elsewhere have not; wanted "
            "local."
        )
    for field in _UNKNOWN_OF_CLUSTER:
        if getattr(cluster, field):
            yield f"kubeflow.{field}: Vertex AI has no such setting. Leave it out."
