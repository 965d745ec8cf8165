import json
import pathlib

import pytest
import yaml

from foundation import errors
from pipeline.cluster import vertex, vertex_checks
from pipeline.settings import config_file

TRAINER = {
    "cpu": 4,
    "cpu_limit": 8,
    "memory": "30G",
    "gpu_count": 2,
    "gpu_type": "NVIDIA_TESLA_T4",
    "retries": 1,
    "env": {"NCCL_DEBUG": "INFO"},
}
CLUSTER = {
    "image": "region-docker.pkg.dev/p/r/m2f:1",
    "root": "gs://bucket/root",
    "serving_root": "gs://bucket/serving",
    "data": "gs://bucket/data",
    "nodes": {"Trainer": TRAINER},
}


def settings(cluster=None, **others):
    values = {
        "name": "my_demo",
        "model": {"backbone": {"norm": "group"}},  # from random weights
        "kubeflow": {**CLUSTER, **(cluster or {})},
        "evaluate": {"min_mask_ap_change": -1.0},
        **others,
    }
    return config_file.from_values(values, [], "a.yaml")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    path = tmp_path_factory.mktemp("vertex") / "new" / "job.json"
    vertex.compile_pipeline(settings(), path)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def tasks(job):
    return job["pipelineSpec"]["root"]["dag"]["tasks"]


def container(job, node_id) -> dict:
    spec = job["pipelineSpec"]
    label = spec["components"][node_id]["executorLabel"]
    return spec["deploymentSpec"]["executors"][label]["container"]


def parameter(tasks, node_id, name):
    given = tasks[node_id]["inputs"]["parameters"][name]
    return given["runtimeValue"]["constant"]


def test_all_nodes_but_the_baseline_are_there_behind_the_gates(tasks):
    upstream = {
        name: set(task.get("dependentTasks", ())) for name, task in tasks.items()
    }
    assert upstream == {
        "CocoExampleGen": set(),
        "ImportSchemaGen": set(),
        "StatisticsGen": {"CocoExampleGen"},
        "ExampleValidator": {"StatisticsGen", "ImportSchemaGen"},
        "DataGate": {"CocoExampleGen", "StatisticsGen", "ExampleValidator"},
        "Transform": {"CocoExampleGen", "ImportSchemaGen", "DataGate"},
        "Trainer": {"CocoExampleGen", "Transform"},
        "CocoEvaluator": {"CocoExampleGen", "Trainer"},
        "ServingValidator": {"CocoExampleGen", "Trainer"},
        "Pusher": {"Trainer", "CocoEvaluator", "ServingValidator"},
    }


def test_every_node_starts_through_our_entry_and_is_never_cached(job, tasks):
    for node_id, task in tasks.items():
        assert task["cachingOptions"] == {"enableCache": False}
        found = container(job, node_id)
        assert found["command"] == ["python", "-m", "pipeline.cluster.run_vertex"]
        assert found["image"] == CLUSTER["image"]


def test_the_trainer_gets_its_machine_and_the_others_the_defaults(job, tasks):
    assert container(job, "Trainer")["resources"] == {
        "cpuLimit": 8.0,
        "memoryLimit": 30.0,
        "accelerator": {"type": "NVIDIA_TESLA_T4", "count": "2"},
    }
    assert container(job, "Trainer")["env"] == [{"name": "NCCL_DEBUG", "value": "INFO"}]
    assert tasks["Trainer"]["retryPolicy"]["maxRetryCount"] == 1
    # 4Gi, in the gigabytes that Vertex AI counts in.
    assert container(job, "Pusher")["resources"] == {
        "cpuLimit": 1.0,
        "memoryLimit": pytest.approx(4.294967296),
    }


def test_artifacts_are_in_the_bucket_and_folders_are_mounted(job, tasks):
    assert job["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/root"
    assert parameter(tasks, "CocoExampleGen", "input_base") == "/gcs/bucket/data"
    destination = json.loads(parameter(tasks, "Pusher", "push_destination"))
    assert destination["filesystem"]["base_directory"] == "/gcs/bucket/serving/model"
    schema = parameter(tasks, "ImportSchemaGen", "schema_file")
    assert schema.startswith("package://schemas/coco_examples.pbtxt#")


@pytest.mark.parametrize(
    ("cluster", "others", "wanted"),
    [
        ({"image": ""}, {}, "kubeflow.image: no container image"),
        (
            {"root": "/mnt/pipeline/root"},
            {},
            "root /mnt/pipeline/root: Vertex AI keeps",
        ),
        ({"root": "gs://bucket"}, {}, "kubeflow.root gs://bucket: Vertex AI keeps"),
        ({"data": "/mnt/pipeline/data"}, {}, "data /mnt/pipeline/data: wanted a place"),
        ({"data": "s3://b/d"}, {}, "kubeflow.data s3://b/d: wanted a place in Cloud"),
        ({"data": "gs://b/d:/local"}, {}, "kubeflow.data /local: wanted a place in"),
        (
            {"data": "gs://b/day-{SPAN}"},
            {},
            "the driver that looks for the latest span",
        ),
        ({"serving_root": "/x"}, {}, "kubeflow.serving_root /x: wanted a place"),
        ({}, {"evaluate": {}}, "min_mask_ap_change -0.01: there is no baseline"),
        (
            {},
            {"data": {"gate": {"class_drift": {"severity": "error"}}}},
            "data.gate.class_drift.severity error: there are no statistics",
        ),
        (
            {},
            {"train": {"init_from": "w.safetensors"}},
            "train.init_from w.safetensors",
        ),
        (
            {},
            {"run": {"beam_runner": "flink", "beam_args": ["--x=1"]}},
            "beam_runner fl",
        ),
        ({"workers": 2}, {}, "kubeflow.workers: TFX's runner gives a node one machine"),
        (
            {"annotations": {"a": "b"}},
            {},
            "kubeflow.annotations: Vertex AI has no such",
        ),
        (
            {"defaults": {"env": {"WANDB_API_KEY": "x"}}},
            {},
            "kubeflow.defaults.env.WANDB_API_KEY: looks like a secret",
        ),
        ({"data": "gs://b/{{x}}"}, {}, "holds '{{'"),
        ({"service_account": "me"}, {}, "kubeflow.service_account: Vertex AI has no"),
    ],
)
def test_what_vertex_cannot_do_is_refused_with_the_reason(cluster, others, wanted):
    with pytest.raises(errors.ConfigError) as refusal:
        vertex_checks.check(settings(cluster, **others))
    assert wanted in str(refusal.value)


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        ({"shm": "1Gi"}, "kubeflow.nodes.Trainer.shm: Vertex AI has no such setting"),
        ({"labels": {"a": "b"}}, "kubeflow.nodes.Trainer.labels: Vertex AI has no"),
        ({"node_selector": {"a": "b"}}, "nodes.Trainer.node_selector: Vertex AI has"),
        (
            {"gpu_count": 1, "gpu_type": "nvidia.com/gpu"},
            "gpu_type nvidia.com/gpu: wanted an accelerator of Vertex AI",
        ),
    ],
)
def test_what_only_kubernetes_knows_is_refused(node, wanted):
    with pytest.raises(errors.ConfigError) as refusal:
        vertex_checks.check_nodes(
            settings({"nodes": {"Trainer": node}}).kubeflow, ["Trainer"]
        )
    assert wanted in str(refusal.value)


def test_resources_for_the_baseline_are_resources_for_no_node(tmp_path):
    nodes = {"LatestBlessedModel": {"cpu": 2}}
    with pytest.raises(errors.ConfigError, match="no such node on Vertex AI"):
        vertex.compile_pipeline(settings({"nodes": nodes}), tmp_path / "job.json")


def test_the_file_is_json(tmp_path):
    with pytest.raises(errors.ConfigError, match="ends in .json"):
        vertex.compile_pipeline(settings(), tmp_path / "job.yaml")


def test_the_example_of_the_manual_passes():
    manual = pathlib.Path(__file__).parents[3] / "docs" / "vertex.md"
    example = manual.read_text().split("```yaml\n")[1].split("```")[0]
    found = config_file.from_values(yaml.safe_load(example), [], "vertex.md")
    vertex_checks.check(found)
    vertex_checks.check_nodes(found.kubeflow, ["Trainer", "Pusher"])
