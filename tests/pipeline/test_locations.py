import dataclasses
import pathlib
from importlib import resources

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from foundation import artifact_paths
from model.examples import features
from pipeline import locations

SHIPPED = "coco_examples.pbtxt"
SHARED = locations.Locations(
    ("/a", "/b"), pathlib.Path("/root"), pathlib.Path("/serving")
)


def test_the_schema_that_is_shipped_is_of_what_ingestion_stores():
    schema = text_format.Parse(locations.SCHEMA.read_text(), schema_pb2.Schema())
    assert features.IMAGE_ENCODED in {feature.name for feature in schema.feature}
    assert pathlib.Path(SHARED.schema_file).read_bytes() == (
        locations.SCHEMA.read_bytes()
    )


def test_the_digest_of_the_schema_is_of_its_content_and_no_path(tmp_path, monkeypatch):
    before = locations.schema_digest()
    assert len(before) == 16
    copy = tmp_path / "copy.pbtxt"
    monkeypatch.setattr(locations, "SCHEMA", copy)
    copy.write_bytes(resources.files("schemas").joinpath(SHIPPED).read_bytes())
    assert locations.schema_digest() == before
    copy.write_bytes(copy.read_bytes() + b"\n")
    assert locations.schema_digest() != before


def test_a_pipeline_gets_its_own_folder_and_the_schema_and_keeps_the_rest():
    own = SHARED.of_pipeline("demo", pathlib.Path("/root/schemas/1.pbtxt"))
    assert own == locations.Locations(
        data_roots=("/a", "/b"),
        artifact_root=pathlib.Path("/root/demo"),
        serving_root=pathlib.Path("/serving"),
        schema_file="/root/schemas/1.pbtxt",
    )
    assert SHARED.artifact_root == pathlib.Path("/root")


def test_places_in_a_bucket_stay_there():
    root, serving = map(artifact_paths.of, ("gs://b/root", "gs://b/serving"))
    shared = locations.Locations(("gs://b/data",), root, serving)
    own = shared.of_pipeline("demo", root / "schemas" / "1.pbtxt")
    assert str(own.artifact_root) == "gs://b/root/demo"
    assert own.schema_file == "gs://b/root/schemas/1.pbtxt"


def test_where_a_run_works_is_settled_when_it_starts():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SHARED.artifact_root = pathlib.Path("/elsewhere")
