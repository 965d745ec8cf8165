"""What single commands do outside of a run of the graph.

`predict`, `evaluate` and `lineage` take a pushed model; `data_check`, `data_preview`
and `data_convert` take data folders, and so does `training`, with `transform_graph` in
the place of the Transform node; `weights_conversion` takes a checkpoint. Each
returns what it found as an object that prints itself, or writes a folder that appears
whole. They use the nodes' own code, so a command and a run never disagree.
"""

__all__ = [
    "data_check",
    "data_convert",
    "data_preview",
    "evaluate",
    "lineage",
    "predict",
    "training",
    "weights_conversion",
]
