"""Stored examples, epoch after epoch, in an order that follows from the seed alone."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from foundation import errors
from model import config
from model.examples import features, record_files, repeat_factors

_READERS = 4


def read(
    files: Sequence[str],
    lookup: tf.lookup.StaticHashTable,
    num_classes: int,
    settings: config.TrainConfig,
    seed: int,
    first_image: int,
) -> tf.data.Dataset:
    """Shuffled serialized examples without end, from the given image on.

    Without `keep_empty_images` those without an instance are left out; with a
    `repeat_threshold` some come several times an epoch.

    Args:
        files: TFRecord files, gzip-compressed.
        lookup: category_id -> class index, -1 for what is not trained on.
        first_image: how many images have been seen before.

    Raises:
        PipelineError: the files hold no image to train on.
    """
    factors = _repeat_factors(files, lookup, num_classes, settings)

    def epoch_records(epoch: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        names = tf.random.experimental.stateless_shuffle(list(files), epoch_seed)
        records = _read_once(names, lookup, settings)
        repeats = factors
        if repeats is not None:
            records = records.flat_map(
                lambda record: _copied(record, lookup, repeats, epoch_seed)
            )

        return _shuffled(records, settings.shuffle_images, epoch_seed)

    first_epoch, passed = _find_place(
        files, lookup, settings, factors, seed, first_image
    )
    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(epoch_records).skip(passed)


def _shuffled(
    records: tf.data.Dataset, images: int, epoch_seed: tf.Tensor
) -> tf.data.Dataset:
    """Shuffles so many records at a time, by a seed int64 [2].

    Dataset.shuffle takes no seed that changes from epoch to epoch by itself, which a
    resumed run needs to find its place again.
    """

    def shuffle_block(block: tf.Tensor, block_records: tf.Tensor) -> tf.Tensor:
        block_seed = tf.random.fold_in(epoch_seed, block)
        return tf.random.experimental.stateless_shuffle(block_records, block_seed)

    blocks = records.batch(images).enumerate()
    return blocks.map(shuffle_block).prefetch(1).unbatch()


def trained_classes(
    example: dict[str, tf.Tensor], lookup: tf.lookup.StaticHashTable
) -> tf.Tensor:
    """int32 [N] class index; -1 for a crowd or a class outside the table.

    Args:
        example: has `CATEGORY_ID` and `IS_CROWD`.
    """
    class_index = lookup.lookup(example[features.CATEGORY_ID])
    is_object = example[features.IS_CROWD] == 0
    return tf.cast(tf.where(is_object, class_index, -1), tf.int32)


def _repeat_factors(
    files: Sequence[str],
    lookup: tf.lookup.StaticHashTable,
    num_classes: int,
    settings: config.TrainConfig,
) -> repeat_factors.RepeatFactors | None:
    """None when every image comes once; otherwise takes a pass over the files."""
    if not settings.repeat_threshold:
        return None

    def survey(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = _parse_labels(record)
        class_index = trained_classes(example, lookup)
        shown = tf.unique(tf.boolean_mask(class_index, class_index >= 0)).y
        return example[features.IMAGE_ID], shown

    surveyed = _read_once(list(files), lookup, settings).map(
        survey, num_parallel_calls=tf.data.AUTOTUNE
    )
    found = list(surveyed.as_numpy_iterator())
    if not found:
        raise _no_image()
    return repeat_factors.compute(
        [image_id for image_id, _ in found],
        [shown for _, shown in found],
        num_classes,
        settings.repeat_threshold,
    )


def _copied(
    record: tf.Tensor,
    lookup: tf.lookup.StaticHashTable,
    factors: repeat_factors.RepeatFactors,
    epoch_seed: tf.Tensor,
) -> tf.data.Dataset:
    example = _parse_labels(record)
    class_index = trained_classes(example, lookup)
    shown = tf.boolean_mask(class_index, class_index >= 0)
    factor = tf.reduce_max(
        tf.concat([[1.0], tf.gather(factors.of_class, shown)], axis=0)
    )
    image_id = example[features.IMAGE_ID]
    copies = repeat_factors.copies(factor, image_id, epoch_seed[0], epoch_seed[1])
    return tf.data.Dataset.from_tensors(record).repeat(copies)


def _read_once(
    names: Sequence[str] | tf.Tensor,
    lookup: tf.lookup.StaticHashTable,
    settings: config.TrainConfig,
) -> tf.data.Dataset:
    """The images that are trained on, in stored order."""
    files = tf.convert_to_tensor(names, tf.string)  # of no file it would be floats
    records = tf.data.Dataset.from_tensor_slices(files).interleave(
        lambda name: tf.data.TFRecordDataset(
            name, compression_type=record_files.COMPRESSION
        ),
        cycle_length=_READERS,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    if settings.keep_empty_images:
        return records

    def has_instances(record: tf.Tensor) -> tf.Tensor:
        return tf.reduce_any(trained_classes(_parse_labels(record), lookup) >= 0)

    return records.filter(has_instances)


def _parse_labels(record: tf.Tensor) -> dict[str, tf.Tensor]:
    keys = (features.IMAGE_ID, features.CATEGORY_ID, features.IS_CROWD)
    return features.parse_example(record, keys)


def _find_place(
    files: Sequence[str],
    lookup: tf.lookup.StaticHashTable,
    settings: config.TrainConfig,
    factors: repeat_factors.RepeatFactors | None,
    seed: int,
    first_image: int,
) -> tuple[int, int]:
    """The epoch of an image, and how many images of that epoch come before it."""
    if factors is None:
        stored = _read_once(list(files), lookup, settings)
        # Counting takes a pass over the files: only a resumed run needs all of it.
        return divmod(first_image, _count(stored if first_image else stored.take(1)))
    epoch = 0
    while first_image >= (count := factors.copies_in_epoch(seed, epoch)):
        first_image -= count
        epoch += 1
    return epoch, first_image


def _count(records: tf.data.Dataset) -> int:
    count = int(records.reduce(np.int64(0), lambda total, _: total + 1))
    if not count:
        raise _no_image()
    return count


def _no_image() -> errors.PipelineError:
    return errors.PipelineError(
        "the training split holds no image to train on. Add annotated images, or "
        "set train.keep_empty_images to true."
    )
