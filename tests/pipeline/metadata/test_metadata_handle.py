import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from pipeline.metadata import metadata_handle, metadata_url, postgresql_store


@pytest.fixture
def connection(tmp_path):
    address = metadata_url.parse(f"sqlite:///{tmp_path / 'metadata.db'}")
    metadata_url.connect(address, "", create=True)
    return metadata_url.connection_config(address, "")


def test_what_is_written_through_a_handle_is_in_the_database(connection):
    with metadata_handle.Handle(connection) as handle:
        handle.store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model"))
    with metadata.Metadata(connection) as plain:
        assert [each.name for each in plain.store.get_artifact_types()] == ["Model"]


def test_blocks_within_a_block_share_the_store_until_the_last_one_ends(connection):
    handle = metadata_handle.Handle(connection)
    with handle as outer:
        store = outer.store
        with handle as inner:
            assert inner is handle and inner.store is store
        assert handle.store is store
    with pytest.raises(RuntimeError, match="not in enter state"):
        _ = handle.store


def test_a_handle_can_be_opened_again(connection):
    handle = metadata_handle.Handle(connection)
    for _ in range(2):
        with handle:
            assert handle.store.get_artifact_types() == []


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [
        ("postgresql", postgresql_store.Store),
        ("mysql", metadata_store.MetadataStore),
    ],
)
def test_on_postgresql_tfx_gets_the_store_that_goes_around_its_faults(
    scheme, kind, monkeypatch
):
    # Nobody answers here: ML Metadata's constructor is what would connect.
    monkeypatch.setattr(
        metadata_store.MetadataStore, "__init__", lambda self, config: None
    )
    address = metadata_url.parse(f"{scheme}://user@host/database")
    connection = metadata_url.connection_config(address, "")
    with metadata_handle.Handle(connection) as handle:
        assert type(handle.store) is kind
