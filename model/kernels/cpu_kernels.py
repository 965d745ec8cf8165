"""Ways of computing that are fast on CPUs and that XLA and GPUs have no kernels for."""

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.util import _pywrap_util_port

_for_xla = contextvars.ContextVar("_for_xla", default=False)


def are_usable() -> bool:
    """May what is being traced now hold them?"""
    return not _for_xla.get() and not tf.config.list_physical_devices("GPU")


def have_onednn() -> bool:
    """Does TensorFlow compute with oneDNN in this process?

    By itself only where the processor has AVX-512 VNNI or newer instructions;
    `TF_ENABLE_ONEDNN_OPTS`, read once, says otherwise. TensorFlow has no public name
    for this.
    """
    return _pywrap_util_port.IsMklEnabled()


@contextlib.contextmanager
def unless(is_for_xla: bool) -> Iterator[None]:
    """What is traced inside does without them when XLA is to compile it."""
    token = _for_xla.set(is_for_xla)
    try:
        yield
    finally:
        _for_xla.reset(token)
