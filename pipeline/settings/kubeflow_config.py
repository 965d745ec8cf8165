"""The section `kubeflow` of the configuration: where pods run and what they get.

Nothing here changes what a node computes, so nothing here is part of a cache key.
"""

import re
from typing import Annotated, Literal

import pydantic

from foundation import config_section


def _text(value: object) -> object:
    """YAML reads `cpu: 4` as a number; Kubernetes takes both."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.15g}"
    return value


def _matching(pattern: str, wanted: str) -> pydantic.AfterValidator:
    """Refuses text of another form, and says of which form it has to be."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"wanted {wanted}")
        return text

    return pydantic.AfterValidator(check)


_Text = pydantic.BeforeValidator(_text)
_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
CpuQuantity = Annotated[
    str, _Text, _matching(r"\d+(\.\d+)?|\d+m", "cores, such as 2, 0.5 or 500m")
]
# The units that both Kubernetes and the KFP SDK know.
ByteQuantity = Annotated[
    str,
    _Text,
    _matching(r"[1-9]\d*(Ki|Mi|Gi|Ti|Pi|M|G|T|P)?", "bytes, such as 4Gi or 512Mi"),
]
ObjectName = Annotated[
    str,
    _matching(
        r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
        "a Kubernetes name: small letters, digits, '-' and '.'",
    ),
]
LabelKey = Annotated[
    str,
    _matching(rf"([a-z0-9.-]+/)?{_NAME}", "a label's key, such as example.com/team"),
]
LabelValue = Annotated[
    str,
    _Text,
    _matching(rf"({_NAME})?", "a label's value: up to 63 letters and digits"),
]
VariableName = Annotated[
    str, _matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")
]
SecretEntry = Annotated[
    str, _matching(r"[A-Za-z0-9_.-]+", "a key of a Secret: letters, digits, '-_.'")
]
GpuType = Annotated[
    str, _matching(r"[A-Za-z0-9./_-]+", "a resource, such as nvidia.com/gpu")
]
Count = Annotated[int, pydantic.Field(ge=0)]
Seconds = Annotated[int, pydantic.Field(gt=0)]

_UNITS = {"M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY_UNITS = {f"{unit}i": 1024 ** (1 + i) for i, unit in enumerate("KMGTP")}


def quantity(text: str) -> float:
    """Value of a Kubernetes quantity: cores, or bytes; `500m` is 0.5."""
    if text.endswith("m"):
        return float(text[:-1]) / 1000
    for unit, factor in (*_BINARY_UNITS.items(), *_UNITS.items()):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)


class SecretKey(config_section.Section):
    """One entry of a Kubernetes Secret; the value itself never stands in a config."""

    name: ObjectName
    key: SecretEntry


class VolumeClaim(config_section.Section):
    """The PersistentVolumeClaim that every pod mounts."""

    name: ObjectName = "m2f-pipeline"
    mount_path: str = "/mnt/pipeline"


class MetadataConfig(config_section.Section):
    """The ML Metadata database.

    Attributes:
        url: `mysql://user@host:3306/db`, `postgresql://user@host:5432/db` or
            `sqlite:////path`, without a password.
        password_secret: where the password is; None for a database that asks none.
    """

    url: str = "mysql://m2f@m2f-metadata:3306/m2f"
    password_secret: SecretKey | None = SecretKey(name="m2f-metadata", key="password")


class Toleration(config_section.Section):
    """A node taint that pods may ignore."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    seconds: Count | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Toleration":
        if self.operator == "Exists" and self.value:
            raise ValueError(f"operator Exists takes no value, got {self.value!r}")
        if not self.key and self.operator != "Exists":
            raise ValueError("a toleration without a key needs operator: Exists")
        return self


class Resources(config_section.Section):
    """What the pod of one node gets; None leaves it to the cluster.

    Attributes:
        cpu, memory: requested. `cpu_limit`, `memory_limit`: what it may not pass.
        gpu_type: the resource's name, such as `nvidia.com/gpu`; on Vertex AI the
            accelerator's, such as `NVIDIA_TESLA_T4`.
        shm: size of /dev/shm, kept in memory; data loaders and NCCL need more than
            the 64 MiB that a pod has without it.
        retries: how often a failed node is started again, the first time after
            `retry_seconds`, then after twice as long each time.
        timeout_seconds: a pod that runs longer is stopped.
    """

    cpu: CpuQuantity | None = "1"
    cpu_limit: CpuQuantity | None = None
    memory: ByteQuantity | None = "4Gi"
    memory_limit: ByteQuantity | None = None
    gpu_count: Count = 0
    gpu_type: GpuType = "nvidia.com/gpu"
    node_selector: dict[LabelKey, LabelValue] = {}
    tolerations: tuple[Toleration, ...] = ()
    shm: ByteQuantity | None = None
    retries: Count = 2
    retry_seconds: Seconds = 30
    timeout_seconds: Seconds | None = None
    labels: dict[LabelKey, LabelValue] = {}
    env: dict[VariableName, Annotated[str, _Text]] = {}

    def overlaid_with(self, other: "Resources") -> "Resources":
        """These values with those replaced that were written down in `other`.

        Labels, node selector and environment are joined key by key.
        """
        values = self.model_dump()
        for name, value in other.model_dump(exclude_unset=True).items():
            if isinstance(value, dict):
                value = {**values[name], **value}
            values[name] = value
        return Resources.model_validate(values)

    def contradiction(self) -> str | None:
        """A request above its limit, which Kubernetes would not admit."""
        for name in ("cpu", "memory"):
            wanted, limit = getattr(self, name), getattr(self, f"{name}_limit")
            if wanted and limit and quantity(wanted) > quantity(limit):
                return f"{name} {wanted} is more than {name}_limit {limit}"
        return None


class KubeflowConfig(config_section.Section):
    """How the graph runs on Kubernetes.

    Attributes:
        image: the container image of every node.
        root, serving_root: TFX's pipeline root and the folder of pushed models, on a
            volume that all pods share or in Cloud Storage, `gs://bucket/folder`.
        data: default of the form's parameter `data`: a folder on the volume, or several
            with a colon between them, `/mnt/pipeline/a:/mnt/pipeline/b`.
        secret_env: environment variables that are taken from Secrets.
        service_account: of the pods that `m2f kubeflow trainer-job` writes; that of
            a pipeline run is given to `m2f kubeflow submit`.
        annotations: of every pod, as a storage driver may ask for.
        workers: pods that train together; see `m2f kubeflow trainer-job`.
        defaults: resources of every node. `nodes`: of single ones, by node id.
    """

    image: Annotated[str, _matching(r"\S*", "an image, such as host/m2f:1.0")] = ""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secret: ObjectName | None = None
    root: str = "/mnt/pipeline/artifacts"
    serving_root: str = "/mnt/pipeline/serving"
    data: str = "/mnt/pipeline/data"
    pvc: VolumeClaim | None = VolumeClaim()
    metadata: MetadataConfig = MetadataConfig()
    secret_env: dict[VariableName, SecretKey] = {}
    service_account: ObjectName | None = None
    annotations: dict[LabelKey, str] = {}
    workers: Annotated[int, pydantic.Field(gt=0)] = 1
    defaults: Resources = Resources()
    nodes: dict[str, Resources] = {}

    @pydantic.model_validator(mode="after")
    def _check(self) -> "KubeflowConfig":
        found = {"defaults": self.defaults.contradiction()}
        for node_id in self.nodes:
            found[node_id] = self.resources(node_id).contradiction()
        problems = [f"{where}: {what}" for where, what in found.items() if what]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def resources(self, node_id: str) -> Resources:
        """What the pod of a node gets: the defaults and its own on top."""
        own = self.nodes.get(node_id, Resources())
        return self.defaults.overlaid_with(own)
