"""Reads the stored examples of a split: image bytes, or annotations."""

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from components import wire
from model.examples import features


def files_of_split(folder: str) -> list[str]:
    """TFRecord files of a split's folder, in order; empty when there is none."""
    return sorted(tf.io.gfile.glob(f"{folder}/{wire.RECORDS_GLOB}"))


def annotations(files: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
    """Yields everything but the pixels, one image at a time; see `features`."""

    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = features.parse_example(serialized)
        del parsed[features.IMAGE_ENCODED]
        return parsed

    yield from _records(files).map(parse).as_numpy_iterator()


def image_batches(
    files: Sequence[str], batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields int64 [B] image ids and object [B] encoded images."""

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = features.parse_example(serialized)
        return parsed[features.IMAGE_ID], parsed[features.IMAGE_ENCODED]

    batches = _records(files).map(parse).batch(batch_size).prefetch(1)
    yield from batches.as_numpy_iterator()


def _records(files: Sequence[str]) -> tf.data.Dataset:
    whole = all(name.endswith(wire.RECORDS_SUFFIX) for name in files)
    compression = wire.RECORDS_COMPRESSION if whole else ""
    return tf.data.TFRecordDataset(list(files), compression_type=compression)
