import pathlib
import re

import kubernetes_validate
import pytest
import typer
import yaml

from pipeline.cli import cli
from pipeline.settings import kubeflow_config, run_config

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [
    "docs/kubeflow.md",
    "docs/kubeflow_operations.md",
    "docker/README.md",
    "docker/serving/README.md",
]


@pytest.fixture(scope="module")
def page():
    return (ROOT / "docs" / "kubeflow.md").read_text()


def blocks(text, language):
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


def test_every_command_and_option_of_the_page_exists(page):
    known = typer.main.get_command(cli.app).commands
    shell = "".join(blocks(page, "bash")).replace("\\\n", " ")
    calls = re.findall(r"\.venv/bin/m2f (?:(kubeflow) )?([\w-]+)([^\n|]*)", shell)
    assert len(calls) >= 6
    for group, name, rest in calls:
        command = (known[group].commands if group else known)[name]
        options = {option for each in command.params for option in each.opts}
        assert set(re.findall(r"(?<= )--[\w-]+", rest)) <= options, name


def test_every_configuration_of_the_page_can_be_loaded(page):
    found = []
    for text in [*blocks(page, "yaml"), *re.findall(r"`(kubeflow\.[^`]*: .*?)`", page)]:
        if text.startswith("kubeflow."):
            text = "kubeflow:\n  " + text.removeprefix("kubeflow.")
        values = yaml.safe_load(text)
        if "kubeflow" in values:
            found.append(kubeflow_config.KubeflowConfig(**values["kubeflow"]))
        if "run" in values:
            found.append(run_config.RunConfig(**values["run"]))
    assert len(found) >= 4


def test_the_pod_that_copies_data_would_be_admitted(page):
    (text,) = re.findall(
        r"<<END\n(apiVersion: v1.*?)^END", page, re.DOTALL | re.MULTILINE
    )
    pod = yaml.safe_load(text.replace("$IMAGE", "image:1"))
    kubernetes_validate.validate(pod, "1.31", strict=True)
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_every_overlay_and_component_is_explained(page):
    for kind in ("overlays", "components"):
        for folder in (ROOT / "kubeflow" / "manifests" / kind).iterdir():
            assert folder.name in page


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name):
    path = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target
