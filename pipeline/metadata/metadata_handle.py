"""TFX's handle of a metadata store, opened the way `metadata_url` opens one."""

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from pipeline.metadata import metadata_url


class Handle(metadata.Metadata):
    """What TFX's launcher, drivers and resolvers are given."""

    def __init__(self, connection: metadata_store_pb2.ConnectionConfig):
        super().__init__(connection)

    def __enter__(self) -> "Handle":
        if self._store is None:
            self._store = metadata_url.open_store(self._connection_config)
        self._users += 1
        return self
