"""Names and labels of what runs on the cluster."""

import re

PREPARE = "prepare"
LABELS = {"app.kubernetes.io/part-of": "mask2former-tfx"}


def pipeline_name(name: str) -> str:
    """Name of a pipeline in KFP and Kubernetes, which take no underscores."""
    return name.replace("_", "-").strip("-")


def task_name(node_id: str) -> str:
    """Name of a node's task: `CocoExampleGen` is `coco-example-gen`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", node_id)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
