"""As much of the server of Kubeflow Pipelines as `m2f kubeflow` asks."""

import contextlib
import http.server
import json
import threading
import urllib.parse

import yaml

from pipeline.cluster import kubeflow_api
from pipeline.settings import config_file

RUN_ID = "3f0a-run"
RUN = {
    "run_id": RUN_ID,
    "display_name": "nightly",
    "run_details": {
        "task_details": [
            {
                "display_name": "Transform",
                "state": "SUCCEEDED",
                "start_time": "2026-01-01T00:00:00Z",
                "end_time": "2026-01-01T00:02:05Z",
            },
            {"display_name": "Trainer", "state": "RUNNING"},
            {
                "display_name": "DataGate",
                "state": "FAILED",
                "error": {"code": 9, "message": "exit code 1"},
            },
        ]
    },
}


class FakeApi(http.server.BaseHTTPRequestHandler):
    """As much of the API of Kubeflow Pipelines as is asked for here."""

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if not self._let_in():
            return
        if url.path.startswith("/behind-a-login"):
            self._answer(200, "<html>Who are you?</html>", kind="text/html")
        elif url.path.startswith("/sends-to-a-login"):
            self.send_response(302)
            self.send_header("Location", "/behind-a-login")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif url.path == "/apis/v2beta1/healthz":
            self._answer(200, {"multi_user": False})
        elif url.path == "/apis/v2beta1/experiments":
            query = urllib.parse.parse_qs(url.query)
            wanted = json.loads(query["filter"][0])["predicates"][0]["stringValue"]
            found = [e for e in self.server.experiments if e["display_name"] == wanted]
            self._answer(200, {"experiments": found} if found else {})
        elif url.path == f"/apis/v2beta1/runs/{RUN_ID}":
            self._answer(200, {**RUN, "state": self.server.state})
        else:
            self._answer(404, {"code": 5, "message": "not found"})

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        if not self._let_in():
            return
        self.server.posted.append((self.path, body))
        if self.path == "/apis/v2beta1/experiments":
            made = {**body, "experiment_id": f"id-of-{body['display_name']}"}
            self.server.experiments.append(made)
            self._answer(200, made)
        elif self.path == "/apis/v2beta1/runs":
            self._answer(200, {**body, "run_id": RUN_ID})
        elif self.path == "/apis/v2beta1/recurringruns":
            self._answer(200, {**body, "recurring_run_id": "every-night"})
        else:
            self._answer(404, {"code": 5, "message": "not found"})

    def _let_in(self) -> bool:
        wanted = self.server.token
        if wanted and self.headers.get("Authorization") != f"Bearer {wanted}":
            self._answer(401, {"code": 16, "message": "no valid token"})
            return False
        return True

    def _answer(self, status: int, content, kind="application/json") -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving():
    """Runs a server; `access` leads to it, `posted` is what it was sent."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeApi)
    server.token, server.posted, server.experiments = None, [], []
    server.state = "RUNNING"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.access = kubeflow_api.Access(f"http://127.0.0.1:{server.server_port}")
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def write_package(path):
    """Writes what `m2f kubeflow compile` does, as far as `submit` reads it."""
    config = config_file.load_preset("demo.yaml").to_json()
    names = ("data", "overrides", "run_name")
    spec = {
        "pipelineInfo": {"name": "demo"},
        "root": {"inputDefinitions": {"parameters": dict.fromkeys(names, {})}},
        "deploymentSpec": {
            "executors": {
                "exec-prepare": {"container": {"args": ["--config-json", config]}}
            }
        },
    }
    path.write_text(yaml.dump_all([spec, {"platforms": {"kubernetes": {}}}]))
    return path
