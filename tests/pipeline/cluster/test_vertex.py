import json

import pytest
import vertex_settings

from foundation import errors
from pipeline.cluster import vertex


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    path = tmp_path_factory.mktemp("vertex") / "new" / "job.json"
    vertex.compile_pipeline(vertex_settings.settings(), path)
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
        assert found["image"] == vertex_settings.CLUSTER["image"]


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


def test_resources_for_the_baseline_are_resources_for_no_node(tmp_path):
    nodes = {"LatestBlessedModel": {"cpu": 2}}
    with pytest.raises(errors.ConfigError, match="no such node on Vertex AI"):
        vertex.compile_pipeline(
            vertex_settings.settings({"nodes": nodes}), tmp_path / "job.json"
        )


def test_the_file_is_json(tmp_path):
    with pytest.raises(errors.ConfigError, match="ends in .json"):
        vertex.compile_pipeline(vertex_settings.settings(), tmp_path / "job.yaml")
