"""What will run the graph being traced: CPU kernels or not, and whose."""

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.util import _pywrap_util_port

_for_xla = contextvars.ContextVar("_for_xla", default=False)


def is_cpu() -> bool:
    """Will TensorFlow's CPU kernels run it?

    Then it may hold what is fast with them and what XLA and GPUs have no kernels for.
    """
    return not _for_xla.get() and not tf.config.list_physical_devices("GPU")


def has_onednn() -> bool:
    """Does TensorFlow compute with oneDNN in this process?

    By itself only where the processor has AVX-512 VNNI, AVX-VNNI or newer instructions;
    `TF_ENABLE_ONEDNN_OPTS`, read once, says otherwise. TensorFlow has no public name
    for this.
    """
    return _pywrap_util_port.IsMklEnabled()


@contextlib.contextmanager
def for_xla(is_for_xla: bool) -> Iterator[None]:
    """XLA compiles what is traced inside, if so said."""
    token = _for_xla.set(is_for_xla)
    try:
        yield
    finally:
        _for_xla.reset(token)
