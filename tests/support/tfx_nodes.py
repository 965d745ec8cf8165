"""A node as its component declares it, run without an orchestrator, for tests."""

import pathlib

from tfx import types


def channels(**kinds) -> dict[str, types.Channel]:
    """A channel of each artifact type, by the name of the input."""
    return {name: types.Channel(type=kind) for name, kind in kinds.items()}


def artifacts(declared, folder: pathlib.Path) -> dict[str, list[types.Artifact]]:
    """An artifact with a folder of its own for each input or output of a node."""
    found = {}
    for name, channel in declared.items():
        artifact = channel.type()
        artifact.uri = str(folder / name)
        pathlib.Path(artifact.uri).mkdir(parents=True)
        found[name] = [artifact]
    return found


def run(node, inputs, folder: pathlib.Path, context=None):
    """The `Do` of a node, with the properties that its component was built with.

    Returns:
        The artifacts it wrote, by the name of the output.
    """
    outputs = artifacts(node.outputs, folder)
    executor = node.executor_spec.executor_class(context)
    executor.Do(inputs, outputs, dict(node.exec_properties))
    return {name: artifact for name, (artifact,) in outputs.items()}
