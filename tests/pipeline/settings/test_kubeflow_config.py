import pytest

from foundation import errors
from pipeline.settings import config_file, kubeflow_config


def settings(section):
    return config_file.from_values({"kubeflow": section}, [], "a.yaml").kubeflow


def test_a_node_has_the_defaults_and_its_own_values_on_top():
    cluster = settings(
        {
            "defaults": {"cpu": 2, "retries": 5, "labels": {"team": "a", "kind": "x"}},
            "nodes": {"Trainer": {"memory": "32Gi", "labels": {"kind": "gpu"}}},
        }
    )
    trainer = cluster.resources("Trainer")
    assert (trainer.cpu, trainer.memory, trainer.retries) == ("2", "32Gi", 5)
    assert trainer.labels == {"team": "a", "kind": "gpu"}
    other = cluster.resources("Pusher")
    assert (other.cpu, other.memory, other.labels["kind"]) == ("2", "4Gi", "x")


def test_a_value_can_be_left_to_the_cluster_again():
    cluster = settings({"nodes": {"Pusher": {"memory": None}}})
    assert cluster.resources("Pusher").memory is None
    assert cluster.resources("Trainer").memory == "4Gi"


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        ({"defaults": {"cpu": "two"}}, "defaults.cpu: got 'two': wanted cores"),
        ({"defaults": {"cpu": -1}}, "defaults.cpu: got -1: wanted cores"),
        ({"nodes": {"T": {"memory": "4gb"}}}, "T.memory: got '4gb': wanted bytes"),
        ({"nodes": {"T": {"shm": "0Gi"}}}, "T.shm: got '0Gi': wanted bytes"),
        ({"nodes": {"T": {"cpus": 1}}}, "nodes.T.cpus: unknown key. Known here: cpu,"),
        ({"pvc": {"nam": "x"}}, "pvc.nam: unknown key. Known here: name, mount_path"),
        ({"pvc": {"name": "My_Claim"}}, "pvc.name: got 'My_Claim': wanted a Kuber"),
        ({"defaults": {"labels": {"a": "b c"}}}, "got 'b c': wanted a label's value"),
        ({"secret_env": {"A-B": {"name": "x", "key": "y"}}}, "got 'A-B': wanted the"),
        ({"defaults": {"gpu_count": -1}}, "gpu_count: got -1"),
        ({"defaults": {"retries": -1}}, "retries: got -1"),
        ({"defaults": {"timeout_seconds": 0}}, "timeout_seconds: got 0"),
        (
            {"nodes": {"T": {"memory_limit": "2Gi"}}},
            "T: memory 4Gi is more than memory_limit 2Gi",
        ),
        ({"nodes": {"T": {"cpu_limit": "999m"}}}, "cpu 1 is more than cpu_limit 999m"),
        ({"defaults": {"tolerations": [{"value": "x"}]}}, "needs operator: Exists"),
        (
            {"defaults": {"tolerations": [{"operator": "Exists", "value": "x"}]}},
            "operator Exists takes no value, got 'x'",
        ),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_by_name_and_value(section, wanted):
    with pytest.raises(errors.ConfigError) as refusal:
        settings(section)
    assert wanted in str(refusal.value)


def test_a_limit_equal_to_the_request_passes():
    settings({"nodes": {"T": {"cpu_limit": "1000m", "memory_limit": "4096Mi"}}})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", 0.5),
        ("2.5", 2.5),
        ("3", 3),
        ("1Ki", 1024),
        ("2Mi", 2 * 1024**2),
        ("3Gi", 3 * 1024**3),
        ("4G", 4e9),
        ("5M", 5e6),
    ],
)
def test_quantities_are_those_of_kubernetes(text, value):
    assert kubeflow_config.quantity(text) == value


def test_numbers_of_yaml_are_taken_as_they_were_written():
    resources = settings({"defaults": {"cpu": 0.25, "memory": 8589934592}}).defaults
    assert (resources.cpu, resources.memory) == ("0.25", "8589934592")
