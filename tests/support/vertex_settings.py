"""A configuration that Vertex AI takes, of which a test changes a part."""

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
    """A configuration with these keys of `kubeflow` and these sections."""
    values = {
        "name": "my_demo",
        "model": {"backbone": {"norm": "group"}},  # from random weights
        "kubeflow": {**CLUSTER, **(cluster or {})},
        "evaluate": {"min_mask_ap_change": -1.0},
        **others,
    }
    return config_file.from_values(values, [], "a.yaml")
