import json

import kubernetes_validate
import pytest
import yaml

from foundation import errors
from pipeline.cluster import kubeflow_workers
from pipeline.settings import config_file

CLUSTER = {
    "image": "registry.example/m2f:1",
    "image_pull_secret": "registry-key",
    "service_account": "trainer",
    "workers": 3,
    "secret_env": {"WANDB_API_KEY": {"name": "wandb", "key": "api-key"}},
    "annotations": {"gke-gcsfuse/volumes": "true"},
    "nodes": {
        "Trainer": {
            "cpu": 4,
            "memory": "16Gi",
            "memory_limit": "32Gi",
            "gpu_count": 2,
            "shm": "8Gi",
            "retries": 1,
            "timeout_seconds": 3600,
            "node_selector": {"accelerator": "t4"},
            "tolerations": [{"key": "gpu", "operator": "Exists", "seconds": 0}],
            "env": {"NCCL_DEBUG": "INFO"},
        }
    },
}
HOSTS = [
    "m2f-my-demo-chief:2222",
    "m2f-my-demo-workers-0.m2f-my-demo-workers:2222",
    "m2f-my-demo-workers-1.m2f-my-demo-workers:2222",
]


def settings(distribution="multi_worker", name="my_demo", **cluster):
    values = {"name": name, "kubeflow": {**CLUSTER, **cluster}}
    found = config_file.from_values(values, [], "a.yaml")
    train = found.train.model_copy(update={"distribution": distribution})
    return found.model_copy(update={"train": train})


@pytest.fixture
def manifests(tmp_path):
    path = tmp_path / "new" / "workers.yaml"
    assert kubeflow_workers.write_manifests(settings(), path) == "m2f-my-demo-workers"
    return list(yaml.safe_load_all(path.read_text()))


def test_kubernetes_knows_every_field(manifests):
    assert [manifest["kind"] for manifest in manifests] == ["Service", "Service", "Job"]
    for manifest in manifests:
        kubernetes_validate.validate(
            manifest, kubernetes_validate.latest_version(), strict=True
        )


def test_the_services_find_the_chief_and_the_workers(manifests):
    chief, workers, job = manifests
    assert chief["metadata"]["name"] == "m2f-my-demo-chief"
    assert chief["spec"]["selector"] == kubeflow_workers.chief_labels(settings())
    assert workers["spec"]["selector"].items() <= (
        job["spec"]["template"]["metadata"]["labels"].items()
    )
    for service in (chief, workers):
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["publishNotReadyAddresses"] is True
    # <pod>.<service>: an indexed job names its pods <job>-<index>.
    assert job["spec"]["template"]["spec"]["subdomain"] == workers["metadata"]["name"]
    assert job["metadata"]["name"] == "m2f-my-demo-workers"


def test_two_workers_join_a_chief_that_is_none_of_the_job(manifests):
    job = manifests[2]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == (
        "Indexed",
        2,
        2,
    )
    assert job["activeDeadlineSeconds"] == 3600
    assert job["backoffLimit"] == 4  # two workers, two attempts of the Trainer
    (worker,) = job["template"]["spec"]["containers"]
    assert worker["command"] == ["python", "-m", "model.train.train_worker"]
    assert worker["args"] == [
        "--folder",
        "/mnt/pipeline/artifacts/my_demo/Trainer",
        "--hosts",
        *HOSTS,
    ]


def test_workers_wait_for_the_call_where_the_trainer_leaves_it(tmp_path):
    for root in ("/mnt/pipeline/artifacts", "gs://bucket/artifacts"):
        path = tmp_path / "workers.yaml"
        kubeflow_workers.write_manifests(settings(root=root), path)
        *_, job = yaml.safe_load_all(path.read_text())
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["args"][:2] == ["--folder", f"{root}/my_demo/Trainer"]


def test_a_worker_gets_the_trainers_resources(manifests):
    pod = manifests[2]["spec"]["template"]["spec"]
    (worker,) = pod["containers"]
    assert worker["resources"] == {
        "requests": {"cpu": "4", "memory": "16Gi"},
        "limits": {"memory": "32Gi", "nvidia.com/gpu": "2"},
    }
    assert pod["nodeSelector"] == {"accelerator": "t4"}
    assert pod["tolerations"] == [
        {"key": "gpu", "operator": "Exists", "tolerationSeconds": 0}
    ]
    assert pod["imagePullSecrets"] == [{"name": "registry-key"}]
    assert pod["serviceAccountName"] == "trainer"
    assert pod["securityContext"]["runAsNonRoot"] is True
    mounts = {mount["name"]: mount["mountPath"] for mount in worker["volumeMounts"]}
    assert mounts["pipeline"] == "/mnt/pipeline"
    memory = {volume["name"]: volume for volume in pod["volumes"]}["shm"]["emptyDir"]
    assert memory == {"medium": "Memory", "sizeLimit": "8Gi"}


def test_a_worker_names_secrets_and_holds_none(manifests):
    (worker,) = manifests[2]["spec"]["template"]["spec"]["containers"]
    assert worker["env"] == [
        {"name": "NCCL_DEBUG", "value": "INFO"},
        {
            "name": "WANDB_API_KEY",
            "valueFrom": {"secretKeyRef": {"name": "wandb", "key": "api-key"}},
        },
    ]


def test_the_trainers_pod_is_worker_0_of_the_same_cluster():
    variables = kubeflow_workers.chief_environment(settings())
    assert json.loads(variables["TF_CONFIG"]) == {
        "cluster": {"worker": HOSTS},
        "task": {"type": "worker", "index": 0},
    }


def test_a_trainer_that_trains_alone_is_told_nothing():
    alone = settings("none", workers=1)
    assert kubeflow_workers.chief_environment(alone) == {}
    assert kubeflow_workers.chief_labels(alone) == {}
    kubeflow_workers.check(alone)


@pytest.mark.parametrize(
    ("distribution", "workers"), [("multi_worker", 1), ("none", 2), ("mirrored", 3)]
)
def test_workers_and_distribution_have_to_fit(distribution, workers, tmp_path):
    with pytest.raises(errors.ConfigError, match=f"workers is {workers} and train"):
        kubeflow_workers.check(settings(distribution, workers=workers))


def test_there_is_no_job_for_one_worker(tmp_path):
    with pytest.raises(
        errors.ConfigError, match="kubeflow.workers is 1: the Trainer's"
    ):
        kubeflow_workers.write_manifests(settings("none", workers=1), tmp_path / "w")


def test_a_name_that_no_address_can_hold_is_refused():
    longest = "a" * 36  # m2f- and 36 letters
    kubeflow_workers.check(settings(name=longest))
    with pytest.raises(errors.ConfigError, match="wanted at most 36 letters"):
        kubeflow_workers.check(settings(name=f"{longest}a"))
