"""Running one node of the compiled graph, whoever the runner is.

In come the graph, a node's name, a run id and a metadata store; out comes the node's
end, recorded. `executions` and `attempts` clear up after what was cut off and let one
attempt work at a time, `code_digest` keeps stale results out of the cache, the two
resolvers look at earlier runs. Nodes hand in how they take back what they did elsewhere
(`clean_up`).
"""

__all__ = [
    "attempts",
    "baseline_resolver",
    "beam_runner",
    "clean_up",
    "code_digest",
    "executions",
    "ir",
    "node_launch",
    "previous_statistics_resolver",
]
