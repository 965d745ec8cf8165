"""Where a run reads and writes, whoever runs it."""

import dataclasses
import hashlib
from importlib import resources
from typing import Self

from foundation import artifact_paths

SCHEMA = resources.files("schemas") / "coco_examples.pbtxt"


def schema_digest() -> str:
    """16 hexadecimal digits that change with the content of `SCHEMA`."""
    return hashlib.sha256(SCHEMA.read_bytes()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Locations:
    """The only thing a runner adds to the graph.

    Attributes:
        data_roots: the folders of annotated images, which are merged into one dataset;
            the ingestion looks up `{SPAN}` in them.
        artifact_root: artifacts go to `<artifact_root>/<node>/<output key>`.
        serving_root: blessed models go to `<serving_root>/<model name>/<version>`.
        schema_file: the curated schema. TFX keys its cache by this path and not by
            the content, so a path should name the content.
    """

    data_roots: tuple[str, ...]
    artifact_root: artifact_paths.Path
    serving_root: artifact_paths.Path
    schema_file: str = str(SCHEMA)

    def of_pipeline(self, name: str, schema_file: artifact_paths.Path) -> Self:
        """Those of one of the pipelines that share a root: its own folder in it."""
        return dataclasses.replace(
            self,
            artifact_root=self.artifact_root / name,
            schema_file=str(schema_file),
        )
