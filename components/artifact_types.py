"""Artifact types of our own; names are `namespace.Name` because Vertex AI asks so."""

from tfx import types


class IngestionReport(types.Artifact):
    """What ingestion kept, repaired and dropped: `problems.json`, `summary.json`."""

    TYPE_NAME = "mask2former.IngestionReport"


class DataVerdict(types.Artifact):
    """The data gate's decision: `verdict.json`."""

    TYPE_NAME = "mask2former.DataVerdict"
