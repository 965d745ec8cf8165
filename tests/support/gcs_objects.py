"""Buckets in memory, with the rules of Google Cloud Storage.

An object is whole or absent: an upload shows only once its last byte has come. Every
write gets a new generation; reads and lists see it at once.
"""

import base64
import dataclasses
import datetime
import hashlib
import itertools
import threading
import time

import google_crc32c

PAGE = 1000  # names in one answer to a list, unless fewer are asked for


class Refused(Exception):
    """An answer that is an error.

    Attributes:
        status: HTTP status, such as 404.
    """

    def __init__(self, status: int, message: str):
        super().__init__(status, message)  # both: it goes from process to process
        self.status = status

    def __str__(self) -> str:
        return self.args[1]


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """One generation of an object."""

    bucket: str
    name: str
    content: bytes
    content_type: str
    generation: int
    updated: datetime.datetime
    md5: str
    crc32c: str


@dataclasses.dataclass(frozen=True)
class Listing:
    """One page of a list.

    Attributes:
        objects: those below the prefix, not below one of `prefixes`.
        prefixes: what they begin with, up to and with the delimiter.
        next_page: where the next page begins; empty after the last.
    """

    objects: list[StoredObject]
    prefixes: list[str]
    next_page: str


@dataclasses.dataclass
class Upload:
    """A resumable upload.

    Attributes:
        received: what has come so far.
        finished: the object, once it is whole.
    """

    bucket: str
    name: str
    content_type: str
    if_generation: int | None
    received: bytearray = dataclasses.field(default_factory=bytearray)
    finished: StoredObject | None = None


class Objects:
    """The objects of some buckets. Safe to use from several threads."""

    def __init__(self, buckets: tuple[str, ...]):
        self.uploads: dict[str, Upload] = {}
        self._buckets: dict[str, dict[str, StoredObject]] = {b: {} for b in buckets}
        self._lock = threading.RLock()
        self._generations = itertools.count(time.time_ns() // 1000)

    def bucket(self, name: str) -> dict[str, StoredObject]:
        """Objects of a bucket by name; Refused when there is no such bucket."""
        if name not in self._buckets:
            raise Refused(404, f"The specified bucket does not exist: {name}")
        return self._buckets[name]

    def get(
        self, bucket: str, name: str, if_generation: int | None = None
    ) -> StoredObject:
        """An object; Refused when there is none, or another generation."""
        with self._lock:
            found = self.bucket(bucket).get(name)
        if found is None:
            raise Refused(404, f"No such object: {bucket}/{name}")
        _check_generation(found, if_generation)
        return found

    def put(
        self,
        bucket: str,
        name: str,
        content: bytes,
        content_type: str = "application/octet-stream",
        if_generation: int | None = None,
    ) -> StoredObject:
        """Writes an object.

        Args:
            if_generation: which one it replaces; 0 for a name that is free.
        """
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        crc32c = google_crc32c.Checksum(content).digest()
        with self._lock:
            objects = self.bucket(bucket)
            _check_generation(objects.get(name), if_generation)
            objects[name] = StoredObject(
                bucket,
                name,
                content,
                content_type,
                next(self._generations),
                datetime.datetime.now(datetime.UTC),
                base64.b64encode(md5).decode(),
                base64.b64encode(crc32c).decode(),
            )
            return objects[name]

    def delete(self, bucket: str, name: str, if_generation: int | None = None) -> None:
        """Removes an object; Refused when there is none."""
        with self._lock:
            self.get(bucket, name, if_generation)
            del self.bucket(bucket)[name]

    def listing(
        self,
        bucket: str,
        prefix: str = "",
        delimiter: str = "",
        page: str = "",
        most: int = PAGE,
    ) -> Listing:
        """Objects in the order of their names, as bytes.

        Args:
            page: `next_page` of the answer before.
            most: objects and prefixes of one answer.
        """
        with self._lock:
            objects = dict(self.bucket(bucket))
        entries: dict[str, StoredObject | None] = {}
        for name in sorted(objects, key=str.encode):
            if not name.startswith(prefix):
                continue
            below, found, _ = name[len(prefix) :].partition(delimiter or "\0")
            if delimiter and found:
                entries[prefix + below + delimiter] = None
            else:
                entries[name] = objects[name]
        rest = [name for name in entries if name.encode() > page.encode()]
        shown = rest[: min(most, PAGE)]
        return Listing(
            [entries[name] for name in shown if entries[name] is not None],
            [name for name in shown if entries[name] is None],
            shown[-1] if len(shown) < len(rest) else "",
        )

    def finish(self, upload: Upload) -> StoredObject:
        """Makes an object of all that an upload has received."""
        upload.finished = self.put(
            upload.bucket,
            upload.name,
            bytes(upload.received),
            upload.content_type,
            upload.if_generation,
        )
        return upload.finished


def _check_generation(found: StoredObject | None, wanted: int | None) -> None:
    if wanted is not None and wanted != (found.generation if found else 0):
        raise Refused(412, "At least one of the pre-conditions did not hold.")
