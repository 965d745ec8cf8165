"""The graph on Kubeflow Pipelines and on Vertex AI.

In comes a configuration; `kubeflow` and `vertex` write a pipeline file, after the
`*_checks` have refused what could not work there, and `kubeflow_workers` the manifests
of pods that train along. `kubeflow_client` starts runs and asks how far they are.
Inside a container, `run_node` or `run_vertex` is run with -m and hands one node to TFX.
"""

__all__ = [
    "kubeflow",
    "kubeflow_api",
    "kubeflow_checks",
    "kubeflow_client",
    "kubeflow_workers",
    "run_node",
    "run_vertex",
    "vertex",
    "vertex_checks",
]
