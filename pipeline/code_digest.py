"""A digest of the code a node runs, so that a cached result is never a stale one.

TFX's cache compares inputs and properties and cannot see code. The digest of a module
covers its source and, followed through its imports, that of every module of ours it
uses, so a change to the command line does not train again and one to a loss does.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import pathlib

PACKAGES = ("pipeline", "components", "model", "schemas")
# Those that decide what a node writes.
_LIBRARIES = (
    "apache-beam",
    "jinja2",
    "keras",
    "markupsafe",
    "msgspec",
    "numpy",
    "pillow",
    "pycocotools",
    "scipy",
    "tensorflow",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tensorflow-transform",
    "tfx",
    "tfx-bsl",  # reads the examples that Transform analyses
)


@functools.cache
def of_module(name: str) -> str:
    """Digest of a module, all of our modules it imports, and the library versions.

    Args:
        name: dotted name below one of `PACKAGES`.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for module, path in sorted(_closure(name).items()):
        digest.update(f"{module}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for library in _LIBRARIES:
        digest.update(f"{library}={importlib.metadata.version(library)}\n".encode())
    return digest.hexdigest()[:16]


def _closure(name: str) -> dict[str, pathlib.Path]:
    """Every file of ours that `name` may load: sources, and data beside them."""
    found: dict[str, pathlib.Path] = {}
    waiting = [name]
    while waiting:
        module = waiting.pop()
        path = _source(module)
        if module in found or path is None:
            continue
        found[module] = path
        waiting.extend(_imports(path))
        for data in _data_files(path):
            found[f"{module}:{data.name}"] = data
    return found


def _source(module: str) -> pathlib.Path | None:
    if module.split(".")[0] not in PACKAGES:
        return None
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # `from model import name` where name is no module
        return None
    return pathlib.Path(spec.origin) if spec and spec.origin else None


def _imports(path: pathlib.Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def _data_files(source: pathlib.Path) -> list[pathlib.Path]:
    """Templates and the like that belong to a module's folder."""
    folders = [source.parent / "templates"]
    return [f for folder in folders if folder.is_dir() for f in folder.iterdir()]
