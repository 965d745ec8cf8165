import kfp_api
import pytest
from typer import testing

from pipeline.cli import cli


@pytest.fixture
def api():
    with kfp_api.serving() as server:
        yield server


@pytest.fixture
def package(tmp_path):
    return kfp_api.write_package(tmp_path / "pipeline.yaml")


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
    done = m2f("status", kfp_api.RUN_ID, "--host", api.access.host)
    assert done.exit_code == code
    first, transform, _, gate = done.stdout.splitlines()
    assert first == f"nightly  {state}"
    assert transform.split() == ["Transform", "SUCCEEDED", "2", "min", "05", "s"]
    assert gate.split() == ["DataGate", "FAILED", "exit", "code", "1"]


def test_the_compile_command_says_what_does_not_run_on_dataflow(tmp_path, capfd):
    arguments = ("--project=p", "--region=r", "--temp_location=gs://b/t")
    values = {
        "kubeflow.image": "i",
        "kubeflow.serving_root": "gs://b/serving",
        "run.beam_runner": "dataflow",
        "run.beam_args": f"[{', '.join(arguments)}, --sdk_container_image=i]",
    }
    chosen = [f"--set={key}={value}" for key, value in values.items()]
    out = tmp_path / "p.yaml"
    command = ("compile", "--config", "demo.yaml", "--out", out, *chosen)
    refused = m2f(*command)
    assert refused.exit_code == 2
    assert "Google's machines cannot read /mnt/pipeline/artifacts" in refused.stderr
    done = m2f(*command, "--set=kubeflow.root=gs://b/root")
    assert done.exit_code == 0, done.stderr
    assert "CocoExampleGen runs in its own pod" in capfd.readouterr().out


def test_the_submit_command_prints_the_id_and_the_page(api, package):
    host = f"{api.access.host}/"
    done = m2f("submit", package, "--host", host, "--set", "train.steps=9")
    assert done.exit_code == 0, done.output
    page = f"{api.access.host}/#/runs/details/{kfp_api.RUN_ID}"
    assert done.stdout.split() == ["run", kfp_api.RUN_ID, "page", page]
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
