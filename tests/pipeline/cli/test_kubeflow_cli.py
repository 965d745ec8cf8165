"""The options of `m2f kubeflow`; what is done with them: test_kubeflow_commands."""

import json
import re

import kfp_api
import pytest
from typer import testing

from pipeline.cli import cli, kubeflow_cli


@pytest.fixture
def api():
    with kfp_api.serving() as server:
        yield server


@pytest.fixture
def package(tmp_path):
    return kfp_api.write_package(tmp_path / "pipeline.yaml")


def m2f(*arguments):
    command = ["kubeflow", *map(str, arguments)]
    return testing.CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, command)


def plain(done):
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.output)
    return " ".join(re.sub("[│╭╮╰╯─]", " ", text).split())


def test_without_a_command_the_four_there_are_are_shown():
    shown = plain(m2f())
    for command in ("compile", "trainer-job", "submit", "status"):
        assert f" {command} " in shown


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["compile", "--out", "p.yaml"], "Missing option '--config'"),
        (["compile", "--config", "demo.yaml"], "Missing option '--out'"),
        (
            ["compile", "--config", "a", "--out", "p", "--target", "argo"],
            "'argo' is not one of 'kfp', 'vertex'",
        ),
        (["submit"], "Missing argument 'package'"),
        (["status"], "Missing argument 'run'"),
        (["trainer-job", "--config", "a", "--out", "p", "--cron", "x"], "--cron"),
        (["submit", "gs://b/p.yaml", "--host", "http://h"], "p.yaml"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_the_option(arguments, wanted):
    done = m2f(*arguments)
    assert done.exit_code == 2
    assert wanted in plain(done)


def test_every_option_of_submit_arrives_at_the_server(api, package):
    done = m2f(
        *("submit", package, "--host", api.access.host, "--namespace", "team"),
        *("--data", "/a:/b", "--set", "train.steps=9", "--set", "train.seed=2"),
        *("--run-name", "nightly", "--experiment", "mine"),
        *("--service-account", "runner"),
    )
    assert done.exit_code == 0, done.output
    experiment, run = (body for _, body in api.posted)
    assert experiment["display_name"] == "mine"
    assert experiment["namespace"] == "team"
    assert run["display_name"] == "nightly"
    assert run["service_account"] == "runner"
    assert run["runtime_config"]["parameters"] == {
        "data": "/a:/b",
        "overrides": "train.steps=9 train.seed=2",
        "run_name": "nightly",
    }


def test_a_cron_expression_makes_a_run_that_recurs(api, package):
    host = api.access.host
    done = m2f("submit", package, "--host", host, "--cron", "0 3 * * *")
    assert done.exit_code == 0, done.output
    path, body = api.posted[-1]
    assert path == "/apis/v2beta1/recurringruns"
    assert body["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert f"{host}/#/recurringrun/details/every-night" in done.stdout


def test_the_token_is_that_of_the_variable_named_and_never_shown(api, monkeypatch):
    api.token = "hunter2"  # noqa: S105
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    command = ("status", kfp_api.RUN_ID, "--host", api.access.host)
    refused, let_in = m2f(*command), m2f(*command, "--token-env", "MY_TOKEN")
    assert (refused.exit_code, let_in.exit_code) == (2, 0)
    assert "hunter2" not in refused.output + let_in.output


@pytest.mark.parametrize("target", list(kubeflow_cli.Target))
def test_image_and_overrides_reach_what_is_compiled(target, tmp_path):
    out = tmp_path / {"kfp": "p.yaml", "vertex": "p.json"}[target]
    chosen = {
        "kubeflow.image": "other:1",
        "kubeflow.root": "gs://b/root",
        "kubeflow.serving_root": "gs://b/serving",
        "kubeflow.data": "gs://b/data" if target == "vertex" else "/mnt/pipeline/data",
        "evaluate.min_mask_ap_change": "-1.0",
        "train.steps": "123",
    }
    done = m2f(
        *("compile", "--config", "demo.yaml", "--out", out, "--target", target.value),
        *("--image", "mine:7", *(f"--set={k}={v}" for k, v in chosen.items())),
    )
    assert done.exit_code == 0, done.output
    text = out.read_text()
    assert "mine:7" in text and "other:1" not in text
    assert re.search(r"steps\W+123\b", text)
    assert (text.lstrip()[0] == "{") == (target == "vertex")
    if target == "vertex":
        json.loads(text)
