"""Repeat-factor sampling: images with rare classes are seen more often.

Gupta et al. 2019 (LVIS), section on repeat factor sampling: a class that is in the
fraction f of the images gets r = max(1, sqrt(t / f)), an image the largest r of its
classes. An r of 2.3 means two copies in each epoch, and in three epochs of ten a third
one, which a lot by seed, epoch and image decides.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

_LOTS = 2**24  # what float32 holds exactly


@dataclasses.dataclass(frozen=True)
class RepeatFactors:
    """How often each stored image is seen, on average.

    Attributes:
        of_class: float32 [K], by class index.
        image_ids: int64 [M], of the training images.
        of_image: float32 [M].
    """

    of_class: np.ndarray
    image_ids: np.ndarray
    of_image: np.ndarray

    def copies_in_epoch(self, seed: int, epoch: int) -> int:
        """How many images an epoch has, all copies counted."""
        return int(tf.reduce_sum(copies(self.of_image, self.image_ids, seed, epoch)))


def compute(
    image_ids: Sequence[int],
    class_indices: Sequence[np.ndarray],
    num_classes: int,
    threshold: float,
) -> RepeatFactors:
    """Computes the factors from what each image shows.

    Args:
        image_ids: of all M training images, those without objects included.
        class_indices: int [N] of each image.
        threshold: t, a fraction of the images; 0 gives a factor of 1 to all.
    """
    shown = [np.unique(indices) for indices in class_indices]
    counts = np.bincount(
        np.concatenate([np.zeros(0, np.int64), *shown]), minlength=num_classes
    )
    frequency = np.maximum(counts, 1) / max(len(image_ids), 1)
    of_class = np.maximum(1.0, np.sqrt(threshold / frequency)).astype(np.float32)
    of_image = [max([1.0, *of_class[indices]]) for indices in shown]
    return RepeatFactors(
        of_class, np.asarray(image_ids, np.int64), np.asarray(of_image, np.float32)
    )


def copies(
    factors: tf.Tensor, image_ids: tf.Tensor, seed: tf.Tensor, epoch: tf.Tensor
) -> tf.Tensor:
    """Draws how often images come in an epoch; the mean over epochs is the factor.

    Args:
        factors: float32, of any shape.
        image_ids: int64, of the same shape.
        seed, epoch: int64 [].

    Returns:
        int64 of that shape, the factor rounded down or up.
    """
    # A lot of its own for each image: a resumed run draws those of passed epochs again
    # without reading them, and the order of the files does not matter.
    names = tf.strings.join(
        [tf.as_string(seed), tf.as_string(epoch), tf.as_string(image_ids)], ":"
    )
    lots = tf.strings.to_hash_bucket_fast(names, _LOTS)
    whole = tf.floor(factors)
    is_drawn = tf.cast(lots, tf.float32) / _LOTS < factors - whole
    return tf.cast(whole, tf.int64) + tf.cast(is_drawn, tf.int64)
