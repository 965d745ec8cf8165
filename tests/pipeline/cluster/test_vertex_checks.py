import pathlib

import pytest
import vertex_settings
import yaml

from foundation import errors
from pipeline.cluster import vertex_checks
from pipeline.settings import config_file


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
        (
            {},
            {
                "tune": {
                    "trials": 2,
                    "search": {"train.learning_rate": {"values": [1e-4, 1e-3]}},
                }
            },
            "tune.trials: a search keeps its trials",
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
        vertex_checks.check(vertex_settings.settings(cluster, **others))
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
            vertex_settings.settings({"nodes": {"Trainer": node}}).kubeflow, ["Trainer"]
        )
    assert wanted in str(refusal.value)


def test_what_vertex_runs_passes():
    found = vertex_settings.settings()
    vertex_checks.check(found)
    vertex_checks.check_nodes(found.kubeflow, ["Trainer", "Pusher"])


def test_all_that_is_wrong_is_told_at_once():
    cluster = {"image": "", "root": "/mnt/root", "workers": 2, "annotations": {"a": ""}}
    with pytest.raises(errors.ConfigError) as refusal:
        vertex_checks.check(vertex_settings.settings(cluster))
    for key in ("image", "root", "workers", "annotations"):
        assert f"kubeflow.{key}" in str(refusal.value)


def test_a_name_is_as_long_as_vertex_takes_and_no_longer():
    vertex_checks.check(vertex_settings.settings(name="a" * 128))
    with pytest.raises(errors.ConfigError, match="wanted at most 128 letters"):
        vertex_checks.check(vertex_settings.settings(name="a" * 129))


def test_resources_of_a_node_that_is_not_there_are_refused_with_those_that_are():
    cluster = vertex_settings.settings({"nodes": {"Trainr": {"cpu": 2}}}).kubeflow
    with pytest.raises(errors.ConfigError, match="no such node on Vertex AI") as found:
        vertex_checks.check_nodes(cluster, ["Trainer", "Pusher"])
    assert "kubeflow.nodes.Trainr" in str(found.value)
    assert "Trainer, Pusher" in str(found.value)


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("gs://bucket/a", "/gcs/bucket/a"),
        ("/mnt/gs://b", "/mnt/gs://b"),
        ("", ""),
    ],
)
def test_only_what_lies_in_cloud_storage_is_mounted(path, inside):
    assert vertex_checks.mounted(path) == inside


def test_the_example_of_the_manual_passes():
    manual = pathlib.Path(__file__).parents[3] / "docs" / "vertex.md"
    example = manual.read_text().split("```yaml\n")[1].split("```")[0]
    found = config_file.from_values(yaml.safe_load(example), [], "vertex.md")
    vertex_checks.check(found)
    vertex_checks.check_nodes(found.kubeflow, ["Trainer", "Pusher"])
