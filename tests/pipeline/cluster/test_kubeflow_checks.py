import pathlib

import pytest

from foundation import errors
from pipeline.cluster import kubeflow_checks
from pipeline.settings import config_file

NODES = ["CocoExampleGen", "Trainer", "Pusher"]
GOOD = {"image": "registry.example/m2f:1"}


def settings(section=None, **others):
    values = {"kubeflow": {**GOOD, **(section or {})}, **others}
    return config_file.from_values(values, [], "a.yaml")


def refusal(section=None, out="p.yaml", **others) -> str:
    with pytest.raises(errors.ConfigError) as caught:
        kubeflow_checks.check(settings(section, **others), pathlib.Path(out))
    return str(caught.value)


def test_an_image_is_all_that_has_to_be_said():
    kubeflow_checks.check(settings(), pathlib.Path("p.yaml"))
    kubeflow_checks.check_nodes(settings().kubeflow, NODES)


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        ({"image": ""}, "kubeflow.image: no container image"),
        ({"pvc": None}, "kubeflow.root /mnt/pipeline/artifacts: pods do not share"),
        ({"root": "/home/me/root"}, "kubeflow.root /home/me/root: is not below"),
        ({"root": "relative"}, "kubeflow.root relative: is not below"),
        ({"root": "/mnt/pipeline/../root"}, "kubeflow.root /mnt/pipeline/../root"),
        ({"serving_root": "/serving"}, "kubeflow.serving_root /serving: is not below"),
        ({"data": "/data"}, "kubeflow.data /data: is not below"),
        ({"data": "/mnt/pipeline/a:/b"}, "kubeflow.data /b: is not below"),
        (
            {"root": "/mnt/pipeline/b/root", "data": "/mnt/pipeline/a:/mnt/pipeline/b"},
            "b/root: lies inside kubeflow.data /mnt/pipeline/b, so",
        ),
        (
            {"root": "s3://bucket/root"},
            "kubeflow.root s3://bucket/root: TensorFlow 2.21 has no file system for s3",
        ),
        (
            {"serving_root": "s3://bucket/serving"},
            "kubeflow.serving_root s3://bucket/serving: TensorFlow 2.21 has no file",
        ),
        ({"root": "gs://bucket"}, "root gs://bucket: wanted a folder in a bucket"),
        ({"root": "gs://b/run[1]"}, "root gs://b/run[1]: holds one of * ? [ ], which"),
        ({"root": "/mnt/pipeline/a*"}, "root /mnt/pipeline/a*: holds one of"),
        ({"root": "gs://b/a/../c"}, "gs://b/a/../c: wanted a folder in a bucket"),
        ({"data": "gs://b/data"}, "gs://b/data: is read through a file system, not"),
        (
            {"pvc": None, "root": "gs://b/root", "serving_root": "gs://b/serving"},
            "kubeflow.data /mnt/pipeline/data: pods do not share a disk",
        ),
        (
            {"root": "/mnt/pipeline/data/root"},
            "kubeflow.root /mnt/pipeline/data/root: lies inside kubeflow.data",
        ),
        (
            {"metadata": {"url": "mysql://me:hunter2@host/db"}},
            "kubeflow.metadata.url: metadata URL mysql://...@host: holds a password",
        ),
        ({"metadata": {"url": "http://me@host/db"}}, "wanted mysql://user@host"),
        ({"metadata": {"url": "mysql://me@localhost/db"}}, "is the pod itself"),
        ({"metadata": {"url": "mysql://me@127.0.0.1/db"}}, "is the pod itself"),
        ({"metadata": {"url": "sqlite:////var/m.db"}}, "/var/m.db: is not below"),
        (
            {"pvc": None, "metadata": {"url": "sqlite:////mnt/pipeline/m.db"}},
            "kubeflow.metadata.url /mnt/pipeline/m.db: pods do not share",
        ),
        (
            {"defaults": {"env": {"DB_PASSWORD": "hunter2"}}},
            "kubeflow.defaults.env.DB_PASSWORD: looks like a secret",
        ),
        (
            {"nodes": {"Trainer": {"env": {"WANDB_TOKEN": "hunter2"}}}},
            "kubeflow.nodes.Trainer.env.WANDB_TOKEN: looks like a secret",
        ),
        (
            {"secret_env": {"M2F_METADATA_URL": {"name": "a", "key": "b"}}},
            "M2F_METADATA_URL: is set from kubeflow.metadata",
        ),
        (
            {"nodes": {"Trainer": {"env": {"TF_CONFIG": "{}"}}}},
            "TF_CONFIG: is set from kubeflow.workers",
        ),
        (
            {
                "secret_env": {"WHO": {"name": "a", "key": "b"}},
                "defaults": {"env": {"WHO": "me"}},
            },
            "kubeflow.defaults.env.WHO: is taken from the Secret a too",
        ),
        ({"data": "/mnt/pipeline/{{x}}"}, "holds '{{'"),
    ],
)
def test_what_pods_could_not_use_is_refused_without_telling_secrets(section, wanted):
    message = refusal(section)
    assert wanted in message
    assert "hunter2" not in message


def test_a_name_is_no_longer_than_kfp_takes():
    message = refusal(name="a" * 64)
    assert f"name {'a' * 64}: wanted at most 63 letters" in message
    kubeflow_checks.check(settings(name="a" * 63), pathlib.Path("p.yaml"))


@pytest.mark.parametrize(
    "taken", ["/gcs", "/s3/x", "/minio", "/.local/y", "/.cache", "/.config"]
)
def test_kfps_own_mounts_are_left_alone(taken):
    message = refusal({"pvc": {"mount_path": taken}})
    assert f"mount_path {taken}: KFP mounts volumes of its own" in message


@pytest.mark.parametrize("path", ["/", "relative", "/a/../b", "/a//b", "/a/"])
def test_a_mount_path_is_absolute_and_plain(path):
    assert f"mount_path {path}: wanted an absolute path" in refusal(
        {"pvc": {"mount_path": path}}
    )


def test_a_mount_beside_the_taken_names_passes():
    section = {
        "pvc": {"mount_path": "/gcsdata"},
        "root": "/gcsdata/root",
        "serving_root": "/gcsdata/serving",
        "data": "/gcsdata/day-{SPAN}",
    }
    kubeflow_checks.check(settings(section), pathlib.Path("p.yml"))


def test_weights_on_this_machine_are_refused_and_those_on_the_volume_are_not():
    message = refusal(train={"init_from": "weights/r50.safetensors"})
    assert "train.init_from weights/r50.safetensors: is not below" in message
    assert "such as /mnt/pipeline/r50.safetensors" in message
    on_volume = settings(train={"init_from": "/mnt/pipeline/w/r50.safetensors"})
    kubeflow_checks.check(on_volume, pathlib.Path("p.yaml"))


def test_weights_that_come_with_the_image_are_nowhere_else():
    backbone = {"name": "efficientnet_lite0", "norm": "frozen_batch"}
    own = settings(train={"init_from": "imagenet"}, model={"backbone": backbone})
    kubeflow_checks.check(own, pathlib.Path("p.yaml"))


def test_artifacts_and_models_may_be_in_a_bucket_while_the_data_is_on_the_volume():
    section = {"root": "gs://bucket/root", "serving_root": "gs://other/models"}
    start = {"init_from": "gs://bucket/weights/r50.safetensors"}
    kubeflow_checks.check(settings(section, train=start), pathlib.Path("p.yaml"))
    mixed = {"root": "gs://bucket/root", "serving_root": "/mnt/pipeline/serving"}
    kubeflow_checks.check(settings(mixed), pathlib.Path("p.yaml"))


def test_weights_are_in_a_bucket_that_tensorflow_can_read():
    message = refusal(train={"init_from": "s3://bucket/r50.safetensors"})
    assert "train.init_from s3://bucket/r50.safetensors: TensorFlow 2.21" in message


def test_all_problems_are_told_at_once():
    message = refusal({"image": "", "root": "/elsewhere"}, out="p.json")
    for part in ("--out p.json: wanted", "kubeflow.image: no", "/elsewhere: is not"):
        assert part in message


def node_refusal(section, nodes=NODES) -> str:
    with pytest.raises(errors.ConfigError) as caught:
        kubeflow_checks.check_nodes(settings(section).kubeflow, nodes)
    return str(caught.value)


def test_an_unknown_node_is_refused_with_those_there_are():
    message = node_refusal({"nodes": {"Trainr": {"cpu": 4}}})
    assert "kubeflow.nodes.Trainr: there is no such node on Kubeflow" in message
    assert "There are: prepare, CocoExampleGen, Trainer, Pusher" in message


def test_the_first_task_can_have_resources_too():
    kubeflow_checks.check_nodes(
        settings({"nodes": {"prepare": {"cpu": 2}}}).kubeflow, NODES
    )


@pytest.mark.parametrize(
    "nodes", [["DataGate", "data_gate"], ["Prepare"], ["Data.Gate", "DataGate"]]
)
def test_names_that_would_be_the_same_task_are_refused(nodes):
    assert "would both be the task" in node_refusal({}, nodes)


def test_a_gpu_of_vertex_is_no_resource_of_kubernetes():
    gpu = {"gpu_count": 1, "gpu_type": "NVIDIA_TESLA_T4"}
    message = node_refusal({"nodes": {"Trainer": gpu}})
    assert "kubeflow.nodes.Trainer.gpu_type NVIDIA_TESLA_T4: wanted the name" in message
