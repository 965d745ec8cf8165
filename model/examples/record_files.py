"""Reads the stored examples of a split: all of it, image bytes, or annotations.

Ingestion writes the files, TFX's nodes read them by the same names.
"""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import tensorflow as tf

from model.examples import features

PREFIX = "data_tfrecord-"
SUFFIX = ".gz"
GLOB = "*tfrecord*"
COMPRESSION = "GZIP"


def files_of_split(folder: str) -> list[str]:
    """TFRecord files of a split's folder, in order; empty when there is none."""
    return sorted(tf.io.gfile.glob(f"{folder}/{GLOB}"))


def read(files: Sequence[str]) -> tf.data.Dataset:
    """Serialized examples, string [], in stored order.

    Args:
        files: all end in `SUFFIX` and are compressed, or none is.
    """
    whole = all(name.endswith(SUFFIX) for name in files)
    compression = COMPRESSION if whole else ""
    return tf.data.TFRecordDataset(list(files), compression_type=compression)


def annotations(files: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
    """Yields everything but the pixels, one image at a time; see `features`."""

    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = features.parse_example(serialized)
        del parsed[features.IMAGE_ENCODED]
        return parsed

    yield from read(files).map(parse).as_numpy_iterator()


def image_batches(
    files: Sequence[str], batch_size: int, image_ids: Collection[int] | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields int64 [B] image ids and object [B] encoded images.

    Args:
        image_ids: of the images that are wanted; None for all.
    """

    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parsed = features.parse_example(serialized)
        return parsed[features.IMAGE_ID], parsed[features.IMAGE_ENCODED]

    images = read(files).map(parse)
    if image_ids is not None:
        wanted = tf.constant(sorted(image_ids), tf.int64)
        images = images.filter(lambda image_id, _: tf.reduce_any(wanted == image_id))
    yield from images.batch(batch_size).prefetch(1).as_numpy_iterator()
