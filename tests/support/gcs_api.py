"""Answers of Google Cloud Storage: as much of its API as our libraries ask.

TensorFlow asks for metadata, lists, copies and deletes by JSON, uploads in resumable
sessions and reads `/bucket/object`. Beam (google-cloud-storage) uploads in chunks,
reads `/download/...` and copies and deletes in batches. Partial answers (`fields=`) are
given whole: both take what they asked for.
"""

import dataclasses
import email.parser
import email.policy
import json
import re
import urllib.parse
import uuid

import gcs_objects

TOKEN = "ya29.of-the-fake-store"  # noqa: S105  # good for this store alone


@dataclasses.dataclass(frozen=True)
class Request:
    """A request, taken apart.

    Attributes:
        path: as it was sent, still percent-encoded: names may hold slashes.
        headers: by name in lower case.
    """

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def if_generation(self) -> int | None:
        wanted = self.query.get("ifGenerationMatch")
        return None if wanted is None else int(wanted)


@dataclasses.dataclass(frozen=True)
class Response:
    status: int
    body: bytes = b""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


class NotUnderstood(Exception):
    """A request that no client of ours made when this was written."""


class Api:
    """Answers requests from some objects."""

    def __init__(self, objects: gcs_objects.Objects):
        self._objects = objects

    def answer(self, request: Request) -> Response:
        """Answers one request; raises NotUnderstood when there is no answer here."""
        if request.path == "/token":  # the only request that has no token yet
            grant = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            return _json(grant)
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                raise gcs_objects.Refused(401, "Invalid Credentials")
            if request.method == "POST" and request.path == "/batch/storage/v1":
                return self._batch(request)
            return self._route(request)
        except gcs_objects.Refused as refused:
            error = {"code": refused.status, "message": str(refused)}
            return _json({"error": error}, refused.status)

    def _route(self, request: Request) -> Response:
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                names = [urllib.parse.unquote(part) for part in found.groups()]
                return handler(self, request, *names)
        raise NotUnderstood(f"{request.method} https://{request.host}{request.path}")

    def _bucket(self, request: Request, bucket: str) -> Response:
        self._objects.bucket(bucket)
        return _json({"kind": "storage#bucket", "name": bucket, "location": "US"})

    def _layout(self, request: Request, bucket: str) -> Response:
        self._objects.bucket(bucket)
        flat = {"hierarchicalNamespace": {"enabled": False}}
        return _json({"kind": "storage#storageLayout", "bucket": bucket, **flat})

    def _list(self, request: Request, bucket: str) -> Response:
        listing = self._objects.listing(
            bucket,
            request.query.get("prefix", ""),
            request.query.get("delimiter", ""),
            request.query.get("pageToken", ""),
            int(request.query.get("maxResults", gcs_objects.PAGE)),
        )
        answer = {"kind": "storage#objects"}
        if listing.objects:
            answer["items"] = [_resource(found) for found in listing.objects]
        if listing.prefixes:
            answer["prefixes"] = listing.prefixes
        if listing.next_page:
            answer["nextPageToken"] = listing.next_page
        return _json(answer)

    def _get(self, request: Request, bucket: str, name: str) -> Response:
        if request.query.get("alt") == "media":
            return self._media(request, bucket, name)
        return _json(_resource(self._objects.get(bucket, name, request.if_generation)))

    def _media(self, request: Request, bucket: str, name: str) -> Response:
        found = self._objects.get(bucket, name, request.if_generation)
        size = len(found.content)
        headers = {
            "Content-Type": found.content_type,
            "x-goog-hash": f"crc32c={found.crc32c},md5={found.md5}",
            "x-goog-generation": str(found.generation),
        }
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not wanted:
            return Response(200, found.content, headers)
        start, end = int(wanted[1]), min(int(wanted[2] or size), size - 1)
        if start >= size:
            headers["Content-Range"] = f"bytes */{size}"
            return Response(416, b"", headers)
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        return Response(206, found.content[start : end + 1], headers)

    def _delete(self, request: Request, bucket: str, name: str) -> Response:
        self._objects.delete(bucket, name, request.if_generation)
        return Response(204)

    def _copy(self, request: Request, *names: str) -> Response:
        return _json(_resource(self._copied(request, *names)))

    def _rewrite(self, request: Request, *names: str) -> Response:
        resource = _resource(self._copied(request, *names))
        size = resource["size"]
        sizes = {"totalBytesRewritten": size, "objectSize": size}
        kind = "storage#rewriteResponse"
        return _json({"kind": kind, "done": True, **sizes, "resource": resource})

    def _copied(self, request: Request, bucket: str, name: str, *into: str):
        found = self._objects.get(bucket, name)
        return self._objects.put(
            *into, found.content, found.content_type, request.if_generation
        )

    def _upload(self, request: Request, bucket: str) -> Response:
        self._objects.bucket(bucket)
        described = {}
        if "application/json" in request.headers.get("content-type", ""):
            described = json.loads(request.body or b"{}")
        upload = gcs_objects.Upload(
            bucket,
            request.query.get("name") or described["name"],
            described.get("contentType", "application/octet-stream"),
            request.if_generation,
        )
        if request.query["uploadType"] == "media":
            upload.received += request.body
            return _json(_resource(self._objects.finish(upload)))
        if request.query["uploadType"] != "resumable":
            raise NotUnderstood(f"uploadType={request.query['uploadType']}")
        upload_id = uuid.uuid4().hex
        self._objects.uploads[upload_id] = upload
        session = f"https://{request.host}{request.path}?uploadType=resumable"
        return Response(200, b"", {"Location": f"{session}&upload_id={upload_id}"})

    def _resume(self, request: Request, bucket: str) -> Response:
        """Takes the next bytes of an upload, or tells how many have come."""
        upload = self._objects.uploads.get(request.query["upload_id"])
        if upload is None:
            raise gcs_objects.Refused(404, "No such upload")
        if upload.finished:
            return _json(_resource(upload.finished))
        start, total = _content_range(request)
        if start is not None:
            if start > len(upload.received):
                raise gcs_objects.Refused(400, "Bytes are missing before these")
            upload.received[start:] = request.body
        if total is not None and len(upload.received) == total:
            return _json(_resource(self._objects.finish(upload)))
        received = len(upload.received)
        return Response(
            308, b"", {"Range": f"bytes=0-{received - 1}"} if received else {}
        )

    def _batch(self, request: Request) -> Response:
        """Answers each request of a multipart body by a part of its own."""
        kind = f"Content-Type: {request.headers['content-type']}\r\n\r\n"
        parser = email.parser.BytesParser(policy=email.policy.HTTP)
        parts = []
        for number, part in enumerate(
            parser.parsebytes(kind.encode() + request.body).iter_parts()
        ):
            answer = self.answer(_inner(request, part.get_payload(decode=True)))
            parts.append(
                f"--answer\r\nContent-Type: application/http\r\n"
                f"Content-ID: <response-{number}>\r\n\r\n"
                f"HTTP/1.1 {answer.status} Said\r\n"
                f"Content-Type: application/json\r\n\r\n{answer.body.decode()}\r\n"
            )
        body = "".join(parts) + "--answer--\r\n"
        kind = "multipart/mixed; boundary=answer"
        return Response(200, body.encode(), {"Content-Type": kind})


_BUCKET = "/storage/v1/b/([^/]+)"
_OBJECT = f"{_BUCKET}/o/([^/]+)"
_INTO = "/b/([^/]+)/o/([^/]+)"
_ROUTES = (
    ("GET", _BUCKET, Api._bucket),
    ("GET", f"{_BUCKET}/storageLayout", Api._layout),
    ("GET", f"{_BUCKET}/o", Api._list),
    ("GET", _OBJECT, Api._get),
    ("DELETE", _OBJECT, Api._delete),
    ("POST", f"{_OBJECT}/rewriteTo{_INTO}", Api._rewrite),
    ("POST", f"{_OBJECT}/copyTo{_INTO}", Api._copy),
    ("POST", f"/upload{_BUCKET}/o", Api._upload),
    ("PUT", f"/upload{_BUCKET}/o", Api._resume),
    ("GET", f"/download{_OBJECT}", Api._media),
    ("GET", "/(?!storage/|upload/|download/)([^/]+)/(.+)", Api._media),
)


def _json(value: dict, status: int = 200) -> Response:
    body = json.dumps(value).encode()
    return Response(status, body, {"Content-Type": "application/json; charset=UTF-8"})


def _resource(found: gcs_objects.StoredObject) -> dict:
    updated = found.updated.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "kind": "storage#object",
        "bucket": found.bucket,
        "name": found.name,
        "generation": str(found.generation),
        "metageneration": "1",
        "contentType": found.content_type,
        "size": str(len(found.content)),
        "md5Hash": found.md5,
        "crc32c": found.crc32c,
        "timeCreated": updated,
        "updated": updated,
    }


def _content_range(request: Request) -> tuple[int | None, int | None]:
    """Where a chunk begins and the size of the whole; None where it is not told."""
    said = request.headers.get("content-range")
    if said is None:  # all in one
        return 0, len(request.body)
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", said)
    if not found:
        raise gcs_objects.Refused(400, f"Content-Range: {said}")
    start = None if found[1] is None else int(found[1])
    return start, None if found[2] == "*" else int(found[2])


def _inner(outer: Request, text: bytes) -> Request:
    """A request inside a batch; it is let in by the token of the batch."""
    head, _, body = text.replace(b"\r\n", b"\n").partition(b"\n\n")
    line, _, headers = head.partition(b"\n")
    method, address, _ = line.decode().split(" ")
    url = urllib.parse.urlsplit(address)
    said = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(headers)
    lower = {name.lower(): value for name, value in said.items()}
    lower["authorization"] = outer.headers["authorization"]
    query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
    return Request(method, outer.host, url.path, query, lower, body)
