import socket

import kfp_api
import pytest

from foundation import errors
from pipeline.cluster import kubeflow_api, kubeflow_client

TOKEN = "let-me-in"  # noqa: S105


@pytest.fixture
def api():
    with kfp_api.serving() as server:
        yield server


def test_a_token_is_taken_from_the_environment(api, monkeypatch):
    api.token = TOKEN
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    access = kubeflow_api.Access(api.access.host, "MY_TOKEN")
    assert kubeflow_client.status(access, kfp_api.RUN_ID).name == "nightly"


def test_a_wrong_token_is_told_at_once_and_not_shown(api, monkeypatch):
    api.token = TOKEN
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    access = kubeflow_api.Access(api.access.host, "MY_TOKEN")
    with pytest.raises(errors.UserError) as refusal:
        kubeflow_client.status(access, kfp_api.RUN_ID)
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
        kubeflow_client.status(access, kfp_api.RUN_ID)


def test_in_a_cluster_the_pods_token_is_sent(api, tmp_path, monkeypatch):
    api.token = TOKEN
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    access = kubeflow_api.Access(api.access.host, in_cluster=True)
    assert kubeflow_client.status(access, kfp_api.RUN_ID).run_id == kfp_api.RUN_ID


def test_a_server_that_is_not_there_is_named_with_the_way_to_it():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(errors.UserError) as refusal:
        kubeflow_client.status(kubeflow_api.Access(host), kfp_api.RUN_ID)
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
        kubeflow_client.status(access, kfp_api.RUN_ID)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    access = kubeflow_api.Access("https://me:hunter2@kubeflow.example")
    with pytest.raises(errors.UserError, match="--host: holds a user") as refusal:
        kubeflow_client.status(access, kfp_api.RUN_ID)
    assert "hunter2" not in str(refusal.value)


def test_a_pod_without_a_token_is_told(tmp_path, monkeypatch):
    missing = tmp_path / "token"
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(missing))
    with pytest.raises(errors.UserError) as refusal:
        kubeflow_client.status(kubeflow_api.Access(in_cluster=True), kfp_api.RUN_ID)
    assert f"no service account token: {missing}" in str(refusal.value)
