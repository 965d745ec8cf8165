import re

import pytest

from pipeline.cluster import kubeflow_names

# RFC 1123, which names of pods follow.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@pytest.mark.parametrize(
    ("node_id", "task"),
    [
        ("CocoExampleGen", "coco-example-gen"),
        ("Trainer", "trainer"),
        ("Trainer.second", "trainer-second"),
        ("my_node", "my-node"),
        ("A1B", "a1-b"),
        ("_Node_", "node"),
        ("TFXNode", "tfxnode"),
    ],
)
def test_task_names_are_those_of_kubernetes(node_id, task):
    assert kubeflow_names.task_name(node_id) == task
    assert _LABEL.fullmatch(task)


def test_every_node_of_the_graph_has_a_task_of_its_own(upstream):
    tasks = {kubeflow_names.task_name(node_id) for node_id in upstream}
    assert len(tasks) == len(upstream)
    assert kubeflow_names.PREPARE not in tasks
    assert all(_LABEL.fullmatch(task) for task in tasks)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("my_demo", "my-demo"), ("coco_r50_", "coco-r50"), ("a-b", "a-b"), ("1_", "1")],
)
def test_a_pipelines_name_has_no_underscore_and_ends_in_a_letter(name, shown):
    assert kubeflow_names.pipeline_name(name) == shown
    assert _LABEL.fullmatch(shown)


def test_labels_are_such_as_kubernetes_takes():
    for key, value in kubeflow_names.LABELS.items():
        prefix, _, name = key.rpartition("/")
        assert all(_LABEL.fullmatch(part) for part in prefix.split("."))
        assert _LABEL.fullmatch(name) and _LABEL.fullmatch(value)
