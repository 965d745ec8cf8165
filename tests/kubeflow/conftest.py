"""The manifests, read once."""

import pathlib
import shutil
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
MANIFESTS = ROOT / "kubeflow" / "manifests"
_NO_OBJECTS = {"kustomization.yaml", "image-fields.yaml"}


def read(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


@pytest.fixture(scope="session")
def manifests():
    """Objects by file, as they stand in the repository."""
    return {
        str(path.relative_to(MANIFESTS)): read(path)
        for path in sorted(MANIFESTS.rglob("*.yaml"))
        if path.name not in _NO_OBJECTS
    }


@pytest.fixture(scope="session")
def objects(manifests):
    """All objects in one list."""
    return [found for documents in manifests.values() for found in documents]


@pytest.fixture(scope="session")
def kustomizations():
    """Kustomizations by folder."""
    return {
        path.parent: read(path)[0]
        for path in sorted(MANIFESTS.rglob("kustomization.yaml"))
    }


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """Builds an overlay, with components added to it, as a user would."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which builds kustomizations, is not installed")

    def run(overlay, *components):
        folder = tmp_path_factory.mktemp(overlay) / "manifests"
        shutil.copytree(MANIFESTS, folder)
        place = folder / "overlays" / overlay
        for example in place.glob("*.env.example"):
            lines = example.read_text().splitlines()
            filled = [
                f"{line}not-a-secret" if line[-1:] == "=" else line for line in lines
            ]
            example.with_suffix("").write_text("\n".join(filled) + "\n")
        path = place / "kustomization.yaml"
        content = yaml.safe_load(path.read_text())
        content["components"] = [f"../../components/{name}" for name in components]
        path.write_text(yaml.safe_dump(content))
        built = subprocess.run(
            ["kubectl", "kustomize", str(place)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        assert built.returncode == 0, built.stderr
        return [found for found in yaml.safe_load_all(built.stdout) if found]

    return run


@pytest.fixture(scope="session")
def pods():
    """Finds the pods that objects would make: name -> pod template."""
    return pods_of


def pods_of(objects):
    found = {}
    for item in objects:
        name = f"{item['kind']}/{item['metadata']['name']}"
        spec = item.get("spec", {})
        if item["kind"] == "FlinkDeployment":
            found[f"{name} job manager"] = spec["podTemplate"]
            found[f"{name} task manager"] = _merged(
                spec["podTemplate"], spec["taskManager"]["podTemplate"]
            )
        elif item["kind"] == "CronJob":
            found[name] = spec["jobTemplate"]["spec"]["template"]
        elif "template" in spec:
            found[name] = spec["template"]
    return found


def _merged(common, own):
    """What Flink's operator makes of two templates: containers are joined by name."""
    spec = {**common["spec"], **own["spec"]}
    spec["containers"] = [*common["spec"]["containers"], *own["spec"]["containers"]]
    return {**common, "spec": spec}
