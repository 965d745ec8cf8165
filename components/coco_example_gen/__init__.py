"""CocoExampleGen: folders of annotated images in, TFRecords and a report out.

`driver` says which data would be read and what it is (the cache key), `ingestion` is
the whole of it without TFX, `ingest_settings` what it is told, `problems` what it found
wrong and did about it. Below: `read` understands layouts and formats, `write` makes
records, `report` tells. Nothing outside of the data folder is ever opened
(`safe_paths`).
"""

__all__ = [
    "component",
    "driver",
    "executor",
    "fingerprints",
    "ingest_settings",
    "ingestion",
    "problems",
    "quoting",
    "safe_paths",
]
