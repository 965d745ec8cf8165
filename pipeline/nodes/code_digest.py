"""A digest of the code a node can execute, so that a cached result is not a stale one.

TFX's cache compares inputs and properties and cannot see code. The digest is one of
those properties. It covers what `reachable_code` reaches (which says what it does not
see) from what TFX calls of ours, as it is executed: a comment changes it no more than a
function that the node does not use. Functions may stand anywhere in their module; what
import executes, the bodies of classes too, counts in the order of the source. What runs
whether or not a result is cached, such as a driver, has its say in the other properties
and is no part of it.

TFX's StatisticsGen and ExampleValidator have no digest: they execute libraries alone,
and work on what ingestion made. Another version of one of `_LIBRARIES` ingests again,
and new examples are no cache hit downstream.
"""

import functools
import hashlib
import importlib.metadata

from pipeline.nodes import reachable_code

# Those that decide what a node writes.
_LIBRARIES = (
    "apache-beam",
    "keras",
    "keras-tuner",
    "msgspec",
    "numpy",
    "pillow",
    "pycocotools",
    "safetensors",
    "scipy",
    "tensorflow",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tensorflow-transform",
    "tfx",
    "tfx-bsl",  # reads the examples that Transform analyses
)
# What is called of ours, for every node whose code is part of its cache key: by TFX,
# and by -m in the pods that train along.
ENTRIES = {
    "CocoExampleGen": ("components.coco_example_gen.executor.Executor",),
    "DataGate": ("components.data_gate.executor.Executor",),
    "Transform": ("model.examples.preprocessing.preprocessing_fn",),
    "Tuner": ("model.tune_fn.tuner_fn",),
    "Trainer": ("model.run_fn.run_fn", "model.train.train_worker"),
    "CocoEvaluator": ("components.coco_evaluator.executor.Executor",),
    "ServingValidator": ("components.serving_validator.executor.Executor",),
}


def of_node(node_id: str) -> str:
    """Digest of the code of one of `ENTRIES`, as `of_entries` makes it."""
    return of_entries(*ENTRIES[node_id])


@functools.cache
def of_entries(*entries: str) -> str:
    """Digest of what can be executed from entries on, and of the library versions.

    Args:
        entries: as `reachable_code.reach` takes them.

    Returns:
        16 hexadecimal digits.

    Raises:
        LookupError: one is no module of ours, nor defined by one.
    """
    digest = hashlib.sha256()
    parts = reachable_code.reach(*entries).parts
    statements = sorted(
        (place, turn, part, text)
        for (place, part), said in parts.items()
        for turn, text in said
    )
    for place, _, part, text in statements:
        digest.update(f"{place}:{part}={text}\n".encode())
    for library in _LIBRARIES:
        digest.update(f"{library}={importlib.metadata.version(library)}\n".encode())
    return digest.hexdigest()[:16]


def reached(*entries: str) -> dict[str, set[str]]:
    """What a digest covers: names and files, by module or package.

    Raises:
        LookupError: as in `of_entries`.
    """
    found: dict[str, set[str]] = {}
    for place, part in reachable_code.reach(*entries).parts:
        found.setdefault(place, set()).add(part)
    return found


def libraries(*entries: str) -> set[str]:
    """Modules of others that the code of a digest uses, the standard library's too.

    Raises:
        LookupError: as in `of_entries`.
    """
    return reachable_code.reach(*entries).libraries
