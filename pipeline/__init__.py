"""The graph, and everything that runs it, asks it or starts it.

`graph` is the only module that knows the nodes and how they hang together: settings and
`locations` come in, a TFX pipeline goes out. `node_settings` is what Transform and the
Trainer are told; `compiled_graph` makes of the graph what a runner executes. Settings,
runners for one machine and for clusters, the metadata store and the command line are
packages of their own. `python -m pipeline` is `m2f`.
"""

__all__ = [
    "clean_ups",
    "compiled_graph",
    "graph",
    "locations",
    "node_settings",
]
