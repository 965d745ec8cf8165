"""Training on several pods: the manifests of the workers that join TFX's Trainer.

Worker 0 is the Trainer's own task in KFP; a headless Service gives its pod a name. The
others are an Indexed Job beside the pipeline, which waits until the Trainer says what
to train. Every address is known before anything runs, so TF_CONFIG is a constant.
"""

import json
import pathlib

import yaml

from foundation import artifact_paths, errors
from pipeline.cluster import kubeflow_names
from pipeline.settings import config, kubeflow_config

CHIEF_LABEL = "m2f/chief-of"
_PORT = 2222
_LONGEST_NAME = 40
_MULTI_WORKER = "multi_worker"


def check(settings: config.PipelineConfig) -> None:
    """Whether the number of workers and the way of training fit.

    Raises:
        ConfigError: they do not.
    """
    workers = settings.kubeflow.workers
    together = settings.train.distribution == _MULTI_WORKER
    if together != (workers > 1):
        raise errors.ConfigError(
            f"kubeflow.workers is {workers} and train.distribution is "
            f"{settings.train.distribution}. Several workers need multi_worker, and "
            "multi_worker needs at least two."
        )
    if together and len(_base(settings)) > _LONGEST_NAME:
        raise errors.ConfigError(
            f"name {settings.name}: too long for the addresses of workers; wanted at "
            f"most {_LONGEST_NAME - len(_base(settings)) + len(settings.name)} letters."
        )


def hosts(settings: config.PipelineConfig) -> list[str]:
    """`host:port` of every worker, the chief's first."""
    base = _base(settings)
    names = [f"{base}-chief"]
    for index in range(settings.kubeflow.workers - 1):
        names.append(f"{base}-workers-{index}.{base}-workers")
    return [f"{name}:{_PORT}" for name in names]


def chief_environment(settings: config.PipelineConfig) -> dict[str, str]:
    """What the Trainer's pod needs to be worker 0; nothing when it trains alone."""
    if settings.kubeflow.workers == 1:
        return {}
    cluster = {"worker": hosts(settings)}
    task = {"type": "worker", "index": 0}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def chief_labels(settings: config.PipelineConfig) -> dict[str, str]:
    """What the Service finds the Trainer's pod by."""
    if settings.kubeflow.workers == 1:
        return {}
    return {CHIEF_LABEL: kubeflow_names.pipeline_name(settings.name)}


def write_manifests(settings: config.PipelineConfig, out: pathlib.Path) -> str:
    """Writes the two Services and the Job.

    Returns:
        Name of the Job.

    Raises:
        ConfigError: this configuration does not train on several pods.
    """
    check(settings)
    if settings.kubeflow.workers == 1:
        raise errors.ConfigError(
            "kubeflow.workers is 1: the Trainer's own pod trains. For more, set "
            "kubeflow.workers and train.distribution=multi_worker."
        )
    base = _base(settings)
    chief = {CHIEF_LABEL: kubeflow_names.pipeline_name(settings.name)}
    workers = {"app.kubernetes.io/name": f"{base}-workers"}
    manifests = [
        _service(f"{base}-chief", chief),
        _service(f"{base}-workers", workers),
        _job(settings, f"{base}-workers", workers),
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(yaml.safe_dump_all(manifests, sort_keys=False), encoding="utf-8")
    return f"{base}-workers"


def _base(settings: config.PipelineConfig) -> str:
    return f"m2f-{kubeflow_names.pipeline_name(settings.name)}"


def _service(name: str, selector: dict[str, str]) -> dict[str, object]:
    """Headless: a name for pods and nothing between them."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": dict(kubeflow_names.LABELS)},
        "spec": {
            "clusterIP": "None",
            # Workers look for each other before they are ready for anything.
            "publishNotReadyAddresses": True,
            "selector": dict(selector),
            "ports": [{"name": "grpc", "port": _PORT, "targetPort": _PORT}],
        },
    }


def _job(
    settings: config.PipelineConfig, name: str, labels: dict[str, str]
) -> dict[str, object]:
    cluster = settings.kubeflow
    resources = cluster.resources("Trainer")
    count = cluster.workers - 1
    spec: dict[str, object] = {
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": count,
        # When one worker fails all do, and KFP starts the Trainer again as often.
        "backoffLimit": count * (resources.retries + 1),
        "ttlSecondsAfterFinished": 86_400,
        "template": {
            "metadata": {
                "labels": {
                    **kubeflow_names.LABELS,
                    **resources.labels,
                    **labels,
                    # A proxy in between would have to be told of TensorFlow's port.
                    "sidecar.istio.io/inject": "false",
                },
                "annotations": dict(cluster.annotations),
            },
            "spec": _pod(settings, resources, name),
        },
    }
    if resources.timeout_seconds:
        spec["activeDeadlineSeconds"] = resources.timeout_seconds
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {**kubeflow_names.LABELS, **labels}},
        "spec": spec,
    }


def _pod(
    settings: config.PipelineConfig, resources: kubeflow_config.Resources, name: str
) -> dict[str, object]:
    cluster = settings.kubeflow
    volumes, mounts = _volumes(cluster, resources)
    pod: dict[str, object] = {
        "restartPolicy": "OnFailure",
        "subdomain": name,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{**_container(settings, resources), "volumeMounts": mounts}],
        "volumes": volumes,
        "nodeSelector": dict(resources.node_selector),
        "tolerations": [_toleration(each) for each in resources.tolerations],
    }
    if cluster.service_account:
        pod["serviceAccountName"] = cluster.service_account
    if cluster.image_pull_secret:
        pod["imagePullSecrets"] = [{"name": cluster.image_pull_secret}]
    return pod


def _container(
    settings: config.PipelineConfig, resources: kubeflow_config.Resources
) -> dict[str, object]:
    cluster = settings.kubeflow
    folder = artifact_paths.of(cluster.root) / settings.name / "Trainer"
    requests = {"cpu": resources.cpu, "memory": resources.memory}
    limits = {"cpu": resources.cpu_limit, "memory": resources.memory_limit}
    if resources.gpu_count:
        limits[resources.gpu_type] = str(resources.gpu_count)
    env: list[dict[str, object]] = [
        {"name": variable, "value": value} for variable, value in resources.env.items()
    ]
    for variable, secret in cluster.secret_env.items():
        source = {"secretKeyRef": {"name": secret.name, "key": secret.key}}
        env.append({"name": variable, "valueFrom": source})
    return {
        "name": "worker",
        "image": cluster.image,
        "imagePullPolicy": cluster.image_pull_policy,
        "command": ["python", "-m", "model.train.train_worker"],
        "args": ["--folder", str(folder), "--hosts", *hosts(settings)],
        "env": env,
        "ports": [{"name": "grpc", "containerPort": _PORT}],
        "resources": {
            "requests": {key: value for key, value in requests.items() if value},
            "limits": {key: value for key, value in limits.items() if value},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _volumes(
    cluster: kubeflow_config.KubeflowConfig, resources: kubeflow_config.Resources
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    volumes: list[dict[str, object]] = []
    mounts: list[dict[str, object]] = []
    if cluster.pvc:
        claim = {"claimName": cluster.pvc.name}
        volumes.append({"name": "pipeline", "persistentVolumeClaim": claim})
        mounts.append({"name": "pipeline", "mountPath": cluster.pvc.mount_path})
    if resources.shm:
        memory = {"medium": "Memory", "sizeLimit": resources.shm}
        volumes.append({"name": "shm", "emptyDir": memory})
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108
    return volumes, mounts


def _toleration(toleration: kubeflow_config.Toleration) -> dict[str, object]:
    values = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
        "tolerationSeconds": toleration.seconds,
    }
    return {key: value for key, value in values.items() if value not in ("", None)}
