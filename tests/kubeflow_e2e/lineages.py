"""The lineage of runs in a form that is equal wherever they were run.

Artifacts are named by the node that made them instead of by id, and folders, run ids,
versions and durations by what they are.
"""

import pathlib
import re

from pipeline.metadata import store

_TIMES = re.compile(r"\d+(\.\d+)? (ms|s|min)\b")
_MEASURED = ("load_seconds", "latency_ms")


class Normaliser:
    """Normalises runs of one metadata store, oldest first."""

    def __init__(self, metadata: store.Store, places: dict[str, pathlib.Path]):
        """Sets what is replaced.

        Args:
            places: name -> folder; the name is written instead of the folder.
        """
        self._metadata = metadata
        self._labels: dict[int, str] = {}
        self._texts = [(str(path), f"<{name}>") for name, path in places.items()]

    def run(self, run_id: str, name: str) -> dict[str, dict]:
        """One run, by node id; earlier runs must have been normalised before."""
        self._texts.insert(0, (run_id, f"<{name}>"))
        nodes = self._metadata.run(run_id)
        for node_id, execution in nodes.items():
            for key, artifacts in execution.outputs.items():
                for index, artifact in enumerate(artifacts):
                    label = f"{name}/{node_id}/{key}[{index}]"
                    if artifact.artifact_id not in self._labels:
                        self._labels[artifact.artifact_id] = label
                        self._texts.insert(0, (artifact.uri, f"<{label}>"))
                        version = artifact.properties.get("pushed_version")
                        if version:
                            self._texts.append((str(version), "<version>"))
        return {node_id: self._execution(found) for node_id, found in nodes.items()}

    def _execution(self, execution: store.Execution) -> dict:
        return {
            "state": execution.state,
            "properties": self._properties(execution.properties),
            "inputs": self._side(execution.inputs),
            "outputs": self._side(execution.outputs),
        }

    def _side(self, side: dict[str, list[store.Artifact]]) -> dict[str, list]:
        return {
            key: [
                (
                    self._labels[artifact.artifact_id],
                    artifact.type_name,
                    self._text(artifact.uri),
                    self._properties(artifact.properties),
                )
                for artifact in artifacts
            ]
            for key, artifacts in side.items()
        }

    def _properties(self, properties: dict[str, store.Property]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in properties.items():
            if key in ("current_model_id", "baseline_model_id"):
                found[key] = self._labels[int(value)]
            elif key in _MEASURED:
                found[key] = "<time>"
            elif isinstance(value, str):
                found[key] = self._text(value)
            else:
                found[key] = value
        return found

    def _text(self, text: str) -> str:
        for old, new in sorted(self._texts, key=lambda pair: -len(pair[0])):
            text = re.sub(rf"{re.escape(old)}(?!\d)", new, text)
        return _TIMES.sub("<time>", text)
