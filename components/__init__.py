"""The nodes of the graph that are this project's own, a package for each.

A node is a contract (`component.py`), a shell that unpacks artifacts (`executor.py`),
its settings, and a plain core that tests call without TFX. Artifacts and properties
come in, artifacts with properties go out; nodes meet in `pipeline/graph.py` only.
`artifact_types` names the two kinds of artifacts that TFX does not have.
"""

__all__ = ["artifact_types", "wire"]
