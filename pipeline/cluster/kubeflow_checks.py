"""Refuses, before anything is compiled, what could not work on a cluster."""

import collections
import pathlib
from collections.abc import Iterator, Sequence

from foundation import artifact_paths, errors
from model.weights import starting_weights
from pipeline.cluster import compile_checks, kubeflow_names
from pipeline.metadata import metadata_url
from pipeline.settings import config, data_roots, kubeflow_config

_PLACE = "Kubeflow"
_LONGEST_NAME = 63  # the KFP SDK's limit
# KFP's launcher puts volumes of its own there.
_TAKEN_MOUNTS = ("/gcs", "/s3", "/minio", "/.local", "/.cache", "/.config")
_OWN_VARIABLES = {
    metadata_url.URL_VARIABLE: "kubeflow.metadata",
    metadata_url.PASSWORD_VARIABLE: "kubeflow.metadata",
    "TF_CONFIG": "kubeflow.workers",
}
_SECRETS_GO = (
    "Put it into a Secret of Kubernetes and name that under kubeflow.secret_env; the "
    "pods get it as an environment variable."
)


def check(settings: config.PipelineConfig, out: pathlib.Path) -> None:
    """Everything that can be said without building the graph.

    Raises:
        ConfigError: naming all that is wrong.
    """
    cluster = settings.kubeflow
    compile_checks.refuse(
        _PLACE,
        [
            *_file_problems(out),
            *_name_problems(settings),
            *_image_problems(cluster),
            *_mount_problems(cluster),
            *_folder_problems(settings),
            *_metadata_problems(cluster),
            *compile_checks.secret_problems(settings, _SECRETS_GO),
            *_variable_problems(settings),
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
    known = [kubeflow_names.PREPARE, *node_ids]
    problems = list(compile_checks.unknown_nodes(_PLACE, cluster.nodes, known))
    named = collections.defaultdict(list)
    for node_id in known:
        named[kubeflow_names.task_name(node_id)].append(node_id)
    for task, ids in named.items():
        if len(ids) > 1:
            problems.append(
                f"nodes {' and '.join(ids)} would both be the task {task!r}. Rename "
                "one with .with_id() in pipeline/graph.py."
            )
    for node_id in known:
        problems += _gpu_problems(node_id, cluster.resources(node_id))
    compile_checks.refuse(_PLACE, problems)


def _file_problems(out: pathlib.Path) -> Iterator[str]:
    if out.suffix not in (".yaml", ".yml"):
        yield f"--out {out}: wanted a file that ends in .yaml."


def _name_problems(settings: config.PipelineConfig) -> Iterator[str]:
    if len(kubeflow_names.pipeline_name(settings.name)) > _LONGEST_NAME:
        yield f"name {settings.name}: wanted at most {_LONGEST_NAME} letters."


def _image_problems(cluster: kubeflow_config.KubeflowConfig) -> Iterator[str]:
    if not cluster.image:
        yield (
            "kubeflow.image: no container image. Build one with `make image`, push it "
            "to a registry that the cluster reads, and give it with --image."
        )


def _mount_problems(cluster: kubeflow_config.KubeflowConfig) -> Iterator[str]:
    if cluster.pvc is None:
        return
    path = cluster.pvc.mount_path
    where = f"kubeflow.pvc.mount_path {path}"
    plain = str(pathlib.PurePosixPath(path)) == path and ".." not in path
    if not plain or not path.startswith("/") or path == "/":
        yield f"{where}: wanted an absolute path such as /mnt/pipeline."
    for taken in _TAKEN_MOUNTS:
        if _is_below(path, taken):
            yield (
                f"{where}: KFP mounts volumes of its own under {taken}. Choose another "
                "place, such as /mnt/pipeline."
            )


def _folder_problems(settings: config.PipelineConfig) -> Iterator[str]:
    cluster = settings.kubeflow
    folders = {
        "kubeflow.root": cluster.root,
        "kubeflow.serving_root": cluster.serving_root,
    }
    written = tuple(folders)
    if weights := starting_weights.place_of(settings.train.init_from):
        folders["train.init_from"] = weights
    for key, path in folders.items():
        if artifact_paths.is_remote(path):
            reason = artifact_paths.fault(path)
            yield from [f"{key} {path}: {reason}"] if reason else []
        else:
            yield from _sharing_problems(key, path, cluster.pvc)
        if reason := artifact_paths.pattern_fault(path):
            yield f"{key} {path}: {reason}. Choose another name."
    for root in data_roots.parse(cluster.data):
        yield from _sharing_problems("kubeflow.data", root, cluster.pvc)
        for key in written:
            if _is_below(folders[key], data_roots.fixed_part(root)):
                yield (
                    f"{key} {folders[key]}: lies inside kubeflow.data {root}, so every "
                    "run would change the data it reads."
                )


def _sharing_problems(
    key: str, path: str, claim: kubeflow_config.VolumeClaim | None
) -> Iterator[str]:
    """Whether every pod sees the path, and the same thing there."""
    if artifact_paths.is_remote(path):
        yield (
            f"{key} {path}: is read through a file system, not through an object "
            "store's interface. Mount the bucket as a volume (GCS FUSE, or an S3 "
            "driver; see docs/kubeflow.md) and name the path under "
            "kubeflow.pvc.mount_path."
        )
    elif claim is None:
        yield (
            f"{key} {path}: pods do not share a disk. Name a PersistentVolumeClaim "
            "under kubeflow.pvc and use paths below its mount_path."
        )
    elif not _is_below(path, claim.mount_path) or ".." in path:
        yield (
            f"{key} {path}: is not below kubeflow.pvc.mount_path {claim.mount_path}, "
            f"so pods do not see it. Copy it to the volume {claim.name} and name the "
            f"place there, such as {claim.mount_path}/"
            f"{pathlib.PurePosixPath(path).name}."
        )


def _metadata_problems(cluster: kubeflow_config.KubeflowConfig) -> Iterator[str]:
    key = "kubeflow.metadata.url"
    try:
        address = metadata_url.parse(cluster.metadata.url)
    except errors.MetadataError as error:
        yield f"{key}: {error} The Secret's place is kubeflow.metadata.password_secret."
        return
    if address.scheme == "sqlite":
        yield from _sharing_problems(key, address.database, cluster.pvc)
    elif address.host in ("localhost", "::1") or address.host.startswith("127."):
        yield (
            f"{key} {address.url}: in a pod, {address.host} is the pod itself. Name "
            "the Service of the database."
        )


def _variable_problems(settings: config.PipelineConfig) -> Iterator[str]:
    secret = settings.kubeflow.secret_env
    environments = compile_checks.environments(settings)
    for name in (*secret, *(name for env in environments.values() for name in env)):
        if name in _OWN_VARIABLES:
            yield f"{name}: is set from {_OWN_VARIABLES[name]}. Write it there."
    for where, env in environments.items():
        for name in env:
            if name in secret:
                yield (
                    f"kubeflow.{where}.env.{name}: is taken from the Secret "
                    f"{secret[name].name} too. Keep one of the two."
                )


def _gpu_problems(node_id: str, resources: kubeflow_config.Resources) -> Iterator[str]:
    if resources.gpu_count and "/" not in resources.gpu_type:
        yield (
            f"kubeflow.nodes.{node_id}.gpu_type {resources.gpu_type}: wanted the name "
            "of a Kubernetes resource, such as nvidia.com/gpu or amd.com/gpu."
        )


def _is_below(path: str, folder: str) -> bool:
    return pathlib.PurePosixPath(path).is_relative_to(folder)
