"""Looks at the values that a SavedModel was stored with."""

import pathlib
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

_VALUES = "variables/variables"  # within a SavedModel
_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_MOST = 3  # that a fault names


class _Reader(Protocol):
    """What `tf.train.load_checkpoint` gives."""

    def get_variable_to_dtype_map(self) -> dict[str, tf.DType]: ...

    def get_tensor(self, key: str) -> Any: ...


def find_fault(model: pathlib.Path) -> str | None:
    """A sentence about variables that hold values that are not finite.

    Such a model may answer every request as if there were nothing in the images.
    """
    if not list(model.glob(f"{_VALUES}.index")):
        return None  # all of it is in the graph
    try:
        reader = tf.train.load_checkpoint(str(model / _VALUES))
        spoiled = [key for key in _float_keys(reader) if not _is_finite(reader, key)]
        if not spoiled:
            return None
        names = _names(reader)
    except (tf.errors.OpError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        return f"the stored variables cannot be read: {reason}"
    listed = ", ".join(sorted(names.get(key, key) for key in spoiled)[:_MOST])
    more = f" and {len(spoiled) - _MOST} more" if len(spoiled) > _MOST else ""
    return (
        f"{len(spoiled)} variables hold values that are not finite: {listed}{more}. "
        "Train again with a lower train.learning_rate"
    )


def _float_keys(reader: _Reader) -> list[str]:
    types = reader.get_variable_to_dtype_map()
    return sorted(key for key, dtype in types.items() if dtype.is_floating)


def _is_finite(reader: _Reader, key: str) -> bool:
    return bool(np.isfinite(np.asarray(reader.get_tensor(key), np.float32)).all())


def _names(reader: _Reader) -> dict[str, str]:
    """Variables' own names by the keys they are stored under."""
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
        reader.get_tensor(_GRAPH)
    )
    return {
        attribute.checkpoint_key: attribute.full_name
        for node in graph.nodes
        for attribute in node.attributes
        if attribute.full_name
    }
