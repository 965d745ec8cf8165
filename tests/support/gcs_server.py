"""The process of the fake store: its proxy, and what a test asks it to do."""

import contextlib
import dataclasses
import http.server
import json
import multiprocessing
import os
import pathlib
import re
import ssl
import sys
import threading
import traceback
import urllib.parse

import gcs_api
import gcs_certificate
import gcs_objects

HOSTS = ("www.googleapis.com", "storage.googleapis.com", "oauth2.googleapis.com")


class Store:
    """The store as a test sees it."""

    def __init__(self, folder: pathlib.Path, buckets: tuple[str, ...]):
        self._requests: list[str] = []
        self._refused: list[str] = []
        self._objects = gcs_objects.Objects(buckets)
        self._api = gcs_api.Api(self._objects)
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        server = _Server(self, gcs_certificate.make(folder, HOSTS))
        self._environment = _environment(folder, server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        threading.Thread(target=_end_with_the_test, daemon=True).start()

    def environment(self) -> dict[str, str]:
        """Variables by which a process finds the store."""
        return self._environment

    def requests(self) -> list[str]:
        """Method and address of all that was asked, and which bytes came with it."""
        return list(self._requests)

    def refused(self) -> list[str]:
        """Requests for other hosts, and what is not understood."""
        return list(self._refused)

    def names(self, below: str) -> list[str]:
        """Addresses of all objects that begin with a `gs://` address, in order."""
        bucket, prefix = _split(below)
        names = sorted(self._objects.bucket(bucket))
        return [f"gs://{bucket}/{name}" for name in names if name.startswith(prefix)]

    def read(self, address: str) -> bytes:
        """Content of an object; gcs_objects.Refused when there is none."""
        return self._objects.get(*_split(address)).content

    def write(self, address: str, content: bytes) -> None:
        self._objects.put(*_split(address), content)

    def fail_next(
        self,
        count: int,
        status: int = 503,
        method: str = "",
        pattern: str = "",
        after: int = 0,
    ) -> None:
        """Answers so many of the next requests with an error.

        Args:
            method: only requests of this one count, such as `PUT`.
            pattern: only those count in whose path and query this regular expression
                is found, such as `/o[?].*prefix=folder/` for a list of a folder. There
                is no `%` for a character in them.
            after: how many that count are answered before.
        """
        self._add(_Fault(count, status, method, pattern=pattern, after=after))

    def cut_next_upload(self, keep: int) -> None:
        """Takes the first `keep` bytes of the next upload's content, then fails."""
        self._add(_Fault(1, 503, "PUT", keep))

    def recover(self) -> bool:
        """Ends all faults that were asked for; whether one was still to come."""
        with self._lock:
            were_left, self._faults = bool(self._faults), []
        return were_left

    def answer(self, request: gcs_api.Request) -> gcs_api.Response:
        """Answers a request, or fails as was asked for."""
        with self._lock:
            sent = request.headers.get("content-range", "")
            address = f"{request.host}{request.path}"
            self._requests.append(f"{request.method} {address} {sent}".rstrip())
            fault = next((f for f in self._faults if f.takes(request)), None)
            self._faults = [fault for fault in self._faults if fault.count]
        if fault and fault.keep is not None:
            # All but the last bytes: the size of the whole is not told.
            part = {**request.headers, "content-range": f"bytes 0-{fault.keep}/*"}
            body = request.body[: fault.keep]
            self._api.answer(dataclasses.replace(request, headers=part, body=body))
        if fault:
            return gcs_api.Response(fault.status, b"{}")
        try:
            return self._api.answer(request)
        except gcs_api.NotUnderstood as error:
            self.refuse(str(error))
        except Exception:
            self.refuse(traceback.format_exc())
        return gcs_api.Response(501, b"{}")

    def refuse(self, what: str) -> None:
        """Remembers what had no answer."""
        self._refused.append(what)

    def _add(self, fault: "_Fault") -> None:
        with self._lock:
            self._faults.append(fault)


@dataclasses.dataclass
class _Fault:
    count: int
    status: int
    method: str
    keep: int | None = None
    pattern: str = ""
    after: int = 0

    def takes(self, request: gcs_api.Request) -> bool:
        """Whether this request fails; counts it if it is one of those that may."""
        if self.keep is not None and len(request.body) <= self.keep:
            return False
        query = "&".join(f"{name}={value}" for name, value in request.query.items())
        asked = f"{urllib.parse.unquote(request.path)}?{query}"
        if self.method not in ("", request.method) or not re.search(
            self.pattern, asked
        ):
            return False
        if self.after:
            self.after -= 1
            return False
        self.count -= 1
        return True


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, store: Store, certificate: pathlib.Path):
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.store = store
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)

    def handle_error(self, request, client_address):
        error = sys.exception()
        if not isinstance(error, OSError):  # else a client was killed
            self.store.refuse("".join(traceback.format_exception(error)))


class _Proxy(http.server.BaseHTTPRequestHandler):
    """One connection: `CONNECT host`, then requests inside TLS."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    host = ""

    def do_CONNECT(self):
        host = self.path.partition(":")[0]
        if host not in HOSTS:
            self._refuse(self.path)
            return
        self.send_response_only(200)
        self.end_headers()
        self.host = host
        self.close_connection = False  # Python's client says HTTP/1.0 here
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")

    def do_GET(self):
        if not self.host:
            self._refuse(self.path)
            return
        body = self._body()
        if body is None:  # the client died while it sent
            self.close_connection = True
            return
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = gcs_api.Request(
            self.command, self.host, url.path, query, headers, body
        )
        answer = self.server.store.answer(request)
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:  # which has no body, by its definition
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_DELETE = do_PATCH = do_POST = do_PUT = do_GET

    def handle_expect_100(self):
        going_on = super().handle_expect_100()
        self.wfile.flush()  # the client waits for it
        return going_on

    def finish(self):
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()

    def log_message(self, *arguments):
        pass

    def _body(self) -> bytes | None:
        """What follows the headers; None when it stops before its end."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        return body if len(body) == length else None

    def _refuse(self, address: str) -> None:
        self.server.store.refuse(f"{self.command} {address}")
        self.send_response_only(502)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = True


def _environment(folder: pathlib.Path, port: int) -> dict[str, str]:
    proxy, here = f"http://127.0.0.1:{port}", "localhost,127.0.0.1,::1"
    trusted = str(folder / gcs_certificate.AUTHORITY)
    credentials = folder / "credentials.json"
    # google-auth asks oauth2.googleapis.com for a token by these, as for a person.
    person = {"type": "authorized_user", "client_id": "id", "client_secret": "none"}
    credentials.write_text(json.dumps({**person, "refresh_token": "none"}))
    return {
        **dict.fromkeys(("https_proxy", "HTTPS_PROXY", "http_proxy"), proxy),
        **dict.fromkeys(("no_proxy", "NO_PROXY"), here),
        "CURL_CA_BUNDLE": trusted,
        "REQUESTS_CA_BUNDLE": trusted,
        "GOOGLE_AUTH_TOKEN_FOR_TESTING": gcs_api.TOKEN,  # for TensorFlow
        "GOOGLE_APPLICATION_CREDENTIALS": str(credentials),
        "GOOGLE_CLOUD_PROJECT": "fake",
        "CLOUDSDK_CONFIG": str(folder),
        "NO_GCE_CHECK": "true",
        "GCS_RETRY_CONFIG_INIT_DELAY_TIME_US": "20000",
    }


def _split(address: str) -> tuple[str, str]:
    bucket, _, name = address.removeprefix("gs://").partition("/")
    return bucket, name


def _end_with_the_test() -> None:
    """Leaves no process behind when the test's own was killed."""
    multiprocessing.parent_process().join()
    os._exit(0)
