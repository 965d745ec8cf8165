import http.server
import json
import pathlib
import socket
import threading
import urllib.parse

import pytest
import yaml
from typer import testing

from pipeline import cli, config_file, errors, kubeflow_api, kubeflow_client

RUN_ID = "3f0a-run"
TOKEN = "let-me-in"  # noqa: S105
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


@pytest.fixture
def api():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeApi)
    server.token, server.posted, server.experiments = None, [], []
    server.state = "RUNNING"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.access = kubeflow_api.Access(f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def package(tmp_path):
    """As `m2f kubeflow compile` writes it, as far as `submit` reads it."""
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
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.dump_all([spec, {"platforms": {"kubernetes": {}}}]))
    return path


def request(package, **values):
    return kubeflow_client.Request(package=package, **values)


def test_a_run_carries_the_pipeline_and_the_parameters_given(api, package):
    run_id = kubeflow_client.submit(
        api.access,
        request(
            package,
            data="/mnt/pipeline/day-{SPAN}",
            overrides=("train.steps=9", "evaluate.min_class_ap={dog: 0.3}"),
            run_name="nightly",
            service_account="trainer",
        ),
    )
    assert run_id == RUN_ID
    (_, experiment), (path, run) = api.posted
    assert experiment["display_name"] == "demo"
    assert path == "/apis/v2beta1/runs"
    assert (run["experiment_id"], run["display_name"]) == ("id-of-demo", "nightly")
    assert run["service_account"] == "trainer"
    spec, platform = yaml.safe_load_all(package.read_text())
    assert run["pipeline_spec"] == {"pipeline_spec": spec, "platform_spec": platform}
    assert run["runtime_config"]["parameters"] == {
        "data": "/mnt/pipeline/day-{SPAN}",
        # The form that a shell, and shlex.split in the first task, reads back.
        "overrides": "train.steps=9 'evaluate.min_class_ap={dog: 0.3}'",
        "run_name": "nightly",
    }


def test_the_pipelines_own_data_is_used_unless_other_is_named(api, package):
    kubeflow_client.submit(api.access, request(package))
    parameters = api.posted[-1][1]["runtime_config"]["parameters"]
    assert "data" not in parameters
    assert parameters["run_name"].startswith("demo-2")


def test_an_experiment_that_exists_is_used_again(api, package):
    api.experiments.append({"display_name": "mine", "experiment_id": "7"})
    kubeflow_client.submit(api.access, request(package, experiment="mine"))
    ((path, run),) = api.posted
    assert (path, run["experiment_id"]) == ("/apis/v2beta1/runs", "7")


def test_a_schedule_makes_one_recurring_run_that_never_overlaps(api, package):
    made = kubeflow_client.submit(
        api.access, request(package, data="/mnt/pipeline/{SPAN}", cron="0 3 * * *")
    )
    assert made == "every-night"
    path, recurring = api.posted[-1]
    assert path == "/apis/v2beta1/recurringruns"
    assert recurring["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert recurring["mode"] == "ENABLE"
    assert recurring["max_concurrency"] == "1"
    assert recurring["no_catchup"] is True
    parameters = recurring["runtime_config"]["parameters"]
    assert parameters == {"data": "/mnt/pipeline/{SPAN}", "overrides": ""}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("*/15 * * * *", "0 */15 * * * *"),
        ("30 0 3 ? * 2-6", "30 0 3 ? * 2-6"),
    ],
)
def test_five_fields_of_cron_get_their_seconds(expression, wanted):
    assert kubeflow_client.cron_of(expression) == wanted


@pytest.mark.parametrize("expression", ["", "daily", "* * * *", "1 2 3 4 5 6 7", "a;b"])
def test_other_schedules_are_refused(expression):
    with pytest.raises(errors.UserError, match="wanted five fields"):
        kubeflow_client.cron_of(expression)


def test_the_state_of_a_run_names_its_nodes(api):
    run = kubeflow_client.status(api.access, RUN_ID)
    assert (run.name, run.state) == ("nightly", "RUNNING")
    assert run.tasks == [
        kubeflow_client.Task("Transform", "SUCCEEDED", 125.0, ""),
        kubeflow_client.Task("Trainer", "RUNNING", None, ""),
        kubeflow_client.Task("DataGate", "FAILED", None, "exit code 1"),
    ]


def test_an_unknown_run_is_named(api):
    with pytest.raises(errors.UserError, match="has no run 12-34"):
        kubeflow_client.status(api.access, "12-34")


def test_a_token_is_taken_from_the_environment(api, package, monkeypatch):
    api.token = TOKEN
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    access = kubeflow_api.Access(api.access.host, "MY_TOKEN")
    assert kubeflow_client.submit(access, request(package)) == RUN_ID


def test_a_wrong_token_is_told_at_once_and_not_shown(api, monkeypatch):
    api.token = TOKEN
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    access = kubeflow_api.Access(api.access.host, "MY_TOKEN")
    with pytest.raises(errors.UserError) as refusal:
        kubeflow_client.status(access, RUN_ID)
    assert "refused with 401: no valid token" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("behind-a-login", "answered with text/html instead of JSON: a login page"),
        ("sends-to-a-login", "sends on to another page: a login page"),
    ],
)
def test_a_login_page_is_not_taken_for_an_answer(api, path, wanted):
    access = kubeflow_api.Access(f"{api.access.host}/{path}")
    with pytest.raises(errors.UserError, match=wanted):
        kubeflow_client.status(access, RUN_ID)


def test_in_a_cluster_the_pods_token_is_sent(api, tmp_path, monkeypatch):
    api.token = TOKEN
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    access = kubeflow_api.Access(api.access.host, in_cluster=True)
    assert kubeflow_client.status(access, RUN_ID).run_id == RUN_ID


def test_a_server_that_is_not_there_is_named_with_the_way_to_it():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(errors.UserError) as refusal:
        kubeflow_client.status(kubeflow_api.Access(host), RUN_ID)
    message = str(refusal.value)
    assert message.startswith(f"{host}: does not answer: ")
    assert "refused" in message
    assert "kubectl port-forward" in message


@pytest.mark.parametrize(
    ("access", "wanted"),
    [
        (kubeflow_api.Access(), "Give --host URL, or --in-cluster"),
        (kubeflow_api.Access("ml-pipeline:8888"), "wanted http:// or https://"),
        (
            kubeflow_api.Access("http://h", "NO_SUCH_VARIABLE"),
            "--token-env NO_SUCH_VARIABLE: no such environment variable",
        ),
    ],
)
def test_an_address_or_token_that_is_missing_is_told(access, wanted):
    with pytest.raises(errors.UserError, match=wanted):
        kubeflow_client.status(access, RUN_ID)


def test_a_pod_without_a_token_is_told(tmp_path, monkeypatch):
    missing = tmp_path / "token"
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(missing))
    with pytest.raises(errors.UserError) as refusal:
        kubeflow_client.status(kubeflow_api.Access(in_cluster=True), RUN_ID)
    assert f"no service account token: {missing}" in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"overrides": ("kubeflow.image=x",)}, "m2f kubeflow compile"),
        ({"overrides": ("train.step=1",)}, "train.step: unknown key"),
        ({"overrides": ("train.steps",)}, "wanted section.key=value"),
        ({"data": "relative"}, "wanted an absolute path as the pods see it"),
        ({"data": "gs://bucket/data"}, "wanted an absolute path as the pods see it"),
        ({"cron": "never"}, "wanted five fields"),
    ],
)
def test_what_would_fail_on_the_cluster_is_refused_here(api, package, values, wanted):
    with pytest.raises(errors.UserError, match=wanted):
        kubeflow_client.submit(api.access, request(package, **values))
    assert not api.posted


@pytest.mark.parametrize("text", ["a: [", "a: 1", "- 1", "", "a: 1\n---\nb: 2"])
def test_a_file_of_another_kind_is_refused(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(errors.UserError, match="is not a pipeline that"):
        kubeflow_client.submit(kubeflow_api.Access("http://h"), request(path))


def test_a_file_that_is_not_there_stays_an_error_of_the_system():
    missing = pathlib.Path("nowhere.yaml")
    with pytest.raises(FileNotFoundError):
        kubeflow_client.submit(kubeflow_api.Access("http://h"), request(missing))


def m2f(*arguments):
    return testing.CliRunner().invoke(cli.app, ["kubeflow", *map(str, arguments)])


@pytest.mark.parametrize(
    ("state", "code"),
    [("RUNNING", 0), ("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1)],
)
def test_the_status_command_prints_the_nodes_and_fails_when_the_run_did(
    api, state, code
):
    api.state = state
    done = m2f("status", RUN_ID, "--host", api.access.host)
    assert done.exit_code == code
    first, transform, _, gate = done.stdout.splitlines()
    assert first == f"nightly  {state}"
    assert transform.split() == ["Transform", "SUCCEEDED", "2", "min", "05", "s"]
    assert gate.split() == ["DataGate", "FAILED", "exit", "code", "1"]


def test_the_submit_command_prints_the_id_and_the_page(api, package):
    host = f"{api.access.host}/"
    done = m2f("submit", package, "--host", host, "--set", "train.steps=9")
    assert done.exit_code == 0, done.output
    page = f"{api.access.host}/#/runs/details/{RUN_ID}"
    assert done.stdout.split() == ["run", RUN_ID, "page", page]
    assert api.posted[-1][1]["runtime_config"]["parameters"]["overrides"] == (
        "train.steps=9"
    )


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["status", "1"], "which API?"),
        (["submit", "nowhere.yaml", "--host", "http://h"], "nowhere.yaml: No such"),
        (["compile", "--config", "demo.yaml", "--out", "p.txt"], "--out p.txt: wanted"),
        (["compile", "--config", "none.yaml", "--out", "p.yaml"], "no configuration"),
        (
            ["trainer-job", "--config", "demo.yaml", "--out", "w.yaml", "--image", "i"],
            "is 1",
        ),
    ],
)
def test_a_users_mistake_is_one_message_and_exit_code_2(arguments, wanted):
    done = m2f(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert wanted in done.stderr
