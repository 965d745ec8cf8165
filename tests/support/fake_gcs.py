"""Google Cloud Storage on loopback, for programs that name `gs://bucket/object`.

TensorFlow's file system for gs:// knows one address: https://www.googleapis.com. Its
HTTP library, like that of google-cloud-storage, honours a proxy and a file of trusted
certificates from the environment. So the store is a proxy that answers for Google's
hosts, with a certificate of its own authority. Whatever else it is asked for it refuses
and remembers: a test sees that nothing wanted the network.

    with fake_gcs.serving(folder) as store:
        subprocess.run(command, env={**os.environ, **store.environment()})
        assert store.names("gs://bucket/") == ["gs://bucket/a"]
        assert store.refused() == []

A test's own process may be a client too, with these variables set before TensorFlow's
first gs://. The store has a process of its own for that: parts of TensorFlow wait for
an answer while they hold Python's lock.
"""

import contextlib
import itertools
import multiprocessing
import pathlib
from collections.abc import Iterator
from multiprocessing import managers

import gcs_server


class _Here(managers.BaseProxy):
    """The store, as its own process tells of it.

    Python makes such classes by itself, until Beam is imported: it puts a function in
    the place of the one that does, and that cannot be sent to a process.
    """

    _exposed_ = ("environment", "names", "read", "write", "requests", "refused")
    _exposed_ += ("fail_next", "cut_next_upload", "recover")

    def __getattr__(self, name: str):
        if name not in self._exposed_:
            raise AttributeError(name)
        return lambda *args, **kwargs: self._callmethod(name, args, kwargs)


class _Process(managers.BaseManager):
    pass


_Process.register("Store", gcs_server.Store, proxytype=_Here)


@contextlib.contextmanager
def serving(folder: pathlib.Path, buckets: tuple[str, ...] = ("bucket",)):
    """A `gcs_server.Store` that answers until the block ends.

    Args:
        folder: empty; for the certificate and the credentials that clients read.
        buckets: names of its buckets, empty at first.
    """
    with _Process(ctx=multiprocessing.get_context("spawn")) as process:
        yield process.Store(folder, buckets)


def each_refused(store: gcs_server.Store) -> Iterator[int]:
    """Refuses one request of what a loop does: in the first round its first, and so on.

    Yields:
        Number of the round. In the last one nothing is refused.
    """
    for number in itertools.count():
        store.fail_next(1, status=403, after=number)
        yield number
        if store.recover():
            return
