"""One container on Vertex AI: TFX's executor, with Cloud Storage seen as a folder.

Vertex AI mounts every bucket under /gcs and names artifacts gs://. Our nodes read and
write files, so they get the mounted names, and Vertex AI gets its own ones back.
"""

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import resources

PACKAGED = "package://"
_INVOCATION = "--json_serialized_invocation_args"
_EXECUTOR = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
_SCHEME = "gs://"
# The executor takes the name of a type for the place of its class.
_TYPE_NAMES, _TYPE_CLASSES = "title: mask2former.", "title: components.artifact_types."


def main(argv: Sequence[str], mount: str = "/gcs") -> int:
    """Runs the executor that TFX's runner wrote the arguments for.

    Args:
        argv: arguments without the program's name.
        mount: the folder that holds the buckets.

    Returns:
        The executor's exit code.
    """
    position = argv.index(_INVOCATION) + 1
    invocation = json.loads(argv[position])
    localise(invocation, mount)
    _make_folders(invocation["outputs"])
    arguments = [*argv[:position], json.dumps(invocation), *argv[position + 1 :]]
    command = [sys.executable, "-m", _EXECUTOR, *arguments]
    code = subprocess.run(command, check=False).returncode
    output = pathlib.Path(invocation["outputs"]["outputFile"])
    if code == 0 and output.is_file():
        said = json.loads(output.read_text(encoding="utf-8"))
        _rename(said.get("artifacts", {}), lambda uri: _remote(uri, mount))
        output.write_text(json.dumps(said), encoding="utf-8")
    return code


def localise(invocation: dict, mount: str) -> None:
    """Changes an `ExecutorInput` to the names that this container sees.

    Args:
        invocation: as JSON; artifacts, output file and parameters are changed.
    """
    for side in ("inputs", "outputs"):
        artifacts = invocation.get(side, {}).get("artifacts", {})
        _rename(artifacts, lambda uri: _local(uri, mount))
        _retype(artifacts)
    outputs = invocation["outputs"]
    outputs["outputFile"] = _local(outputs["outputFile"], mount)
    parameters = invocation.get("inputs", {}).get("parameterValues", {})
    for name, value in parameters.items():
        if isinstance(value, str) and value.startswith(PACKAGED):
            parameters[name] = _in_package(value)


def _make_folders(outputs: dict) -> None:
    """As TFX's launcher does elsewhere; an object store needs none."""
    pathlib.Path(outputs["outputFile"]).parent.mkdir(parents=True, exist_ok=True)
    for group in outputs.get("artifacts", {}).values():
        for artifact in group.get("artifacts", []):
            pathlib.Path(artifact["uri"]).mkdir(parents=True, exist_ok=True)


def _rename(artifacts: dict, renamed: Callable[[str], str]) -> None:
    for group in artifacts.values():
        for artifact in group.get("artifacts", []):
            if "uri" in artifact:
                artifact["uri"] = renamed(artifact["uri"])


def _retype(artifacts: dict) -> None:
    for group in artifacts.values():
        for artifact in group.get("artifacts", []):
            schema = artifact.get("type", {}).get("instanceSchema")
            if schema:
                renamed = schema.replace(_TYPE_NAMES, _TYPE_CLASSES)
                artifact["type"]["instanceSchema"] = renamed


def _local(uri: str, mount: str) -> str:
    if not uri.startswith(_SCHEME):
        return uri
    return f"{mount}/{uri.removeprefix(_SCHEME)}"


def _remote(path: str, mount: str) -> str:
    if not path.startswith(f"{mount}/"):
        return path
    return _SCHEME + path.removeprefix(f"{mount}/")


def _in_package(value: str) -> str:
    """`package://schemas/a.pbtxt#digest`: a file that is part of the image."""
    package, _, name = value.removeprefix(PACKAGED).partition("#")[0].partition("/")
    return str(resources.files(package) / name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
