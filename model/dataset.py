"""Training batches from stored examples."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from model import augment, categories, features, mask_rle
from pipeline import config, errors

_READERS = 4


def train_dataset(
    files: Sequence[str],
    classes: Sequence[categories.Category],
    settings: config.TrainConfig,
    mean: np.ndarray,
    std: np.ndarray,
    seed: int,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Endless batches; order and augmentation follow from the seed alone.

    Args:
        files: TFRecord files, gzip-compressed, of serialized examples.
        mean, std: float32 [3], of RGB values 0..255.
        start_step: where to go on, in steps; the batches are then those that an
            uninterrupted run would have seen.

    Returns:
        Dictionaries of
        images: float32 [B, S, S, 3], normalised, 0 where padded.
        masks: uint8 [B, N, S, S] in {0, 1}; N is the largest number of instances in
            the batch and at least 1, or `max_instances` when XLA wants static shapes.
        class_index: int32 [B, N], -1 where padded.
        num_instances: int32 [B].

    Raises:
        PipelineError: the files hold no image to train on.
    """
    lookup = categories.class_index_lookup(classes)
    first_image = start_step * settings.batch_size
    records = _shuffled_records(files, settings, seed, first_image, lookup)

    def load(index, serialized):
        image_seed = tf.cast(tf.stack([tf.constant(seed, tf.int64), index]), tf.int32)
        return load_example(serialized, lookup, settings, mean, std, image_seed)

    examples = records.enumerate(first_image).map(
        load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return _padded_batches(examples, settings).prefetch(tf.data.AUTOTUNE)


def load_example(
    serialized: tf.Tensor,
    lookup: tf.lookup.StaticHashTable,
    settings: config.TrainConfig,
    mean: np.ndarray,
    std: np.ndarray,
    seed: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """Decodes and augments one image.

    Crowds, classes outside the table and instances emptied by the crop are left out.

    Args:
        serialized: string [].
        seed: int32 [2].

    Returns:
        images float32 [S, S, 3], masks uint8 [N, S, S], class_index int32 [N] and
        num_instances int32 []; one padded instance when there is none.
    """
    example = features.parse_example(serialized)
    image = tf.io.decode_image(
        example[features.IMAGE_ENCODED], channels=3, expand_animations=False
    )
    image = tf.ensure_shape(image, [None, None, 3])
    masks, class_index = _instances(example, tf.shape(image)[:2], lookup)
    geometry = augment.draw_geometry(tf.shape(image)[:2], seed, settings.augment)
    crop_size = settings.augment.crop_size
    masks = augment.crop_masks(masks, geometry, crop_size)
    kept = tf.where(tf.reduce_any(masks > 0, axis=(1, 2)))[: settings.max_instances, 0]
    masks, class_index = tf.gather(masks, kept), tf.gather(class_index, kept)
    missing = [0, tf.maximum(1 - tf.shape(masks)[0], 0)]
    padded = tf.pad(masks, [missing, [0, 0], [0, 0]])
    return {
        "images": augment.crop_image(image, geometry, crop_size, mean, std),
        "masks": tf.ensure_shape(padded, [None, crop_size, crop_size]),
        "class_index": tf.pad(class_index, [missing], constant_values=-1),
        "num_instances": tf.shape(masks)[0],
    }


def _instances(
    example: dict[str, tf.Tensor], size: tf.Tensor, lookup: tf.lookup.StaticHashTable
) -> tuple[tf.Tensor, tf.Tensor]:
    """Masks uint8 [N, H, W] and class indices int32 [N] of what is trained on."""
    kept = _is_kept(example, lookup)
    num_runs = example[features.NUM_RUNS]
    runs = tf.boolean_mask(example[features.RUN_LENGTHS], tf.repeat(kept, num_runs))
    masks = mask_rle.masks_from_runs(
        runs, tf.boolean_mask(num_runs, kept), size[0], size[1]
    )
    class_index = lookup.lookup(tf.boolean_mask(example[features.CATEGORY_ID], kept))
    return masks, tf.cast(class_index, tf.int32)


def _shuffled_records(
    files: Sequence[str],
    settings: config.TrainConfig,
    seed: int,
    first_image: int,
    lookup: tf.lookup.StaticHashTable,
) -> tf.data.Dataset:
    """Serialized examples, epoch after epoch, from the given image on."""

    def has_instances(serialized: tf.Tensor) -> tf.Tensor:
        example = features.parse_example(serialized)
        return tf.reduce_any(_is_kept(example, lookup))

    is_wanted = None if settings.keep_empty_images else has_instances

    def epoch_records(epoch: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        names = tf.random.experimental.stateless_shuffle(list(files), epoch_seed)
        records = _read(tf.data.Dataset.from_tensor_slices(names), is_wanted)

        def shuffle_block(block: tf.Tensor, block_records: tf.Tensor) -> tf.Tensor:
            block_seed = tf.random.fold_in(epoch_seed, block)
            return tf.random.experimental.stateless_shuffle(block_records, block_seed)

        # Dataset.shuffle takes no seed that changes from epoch to epoch by itself,
        # which a resumed run needs to find its place again.
        blocks = records.batch(settings.shuffle_images).enumerate()
        return blocks.map(shuffle_block).prefetch(1).unbatch()

    stored = _read(tf.data.Dataset.from_tensor_slices(list(files)), is_wanted)
    # Counting takes a pass over the files: only a resumed run needs all of it.
    count = _count(stored if first_image else stored.take(1))
    first_epoch, passed = divmod(first_image, count)
    epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(epoch_records).skip(passed)


def _read(
    names: tf.data.Dataset, is_wanted: Callable[[tf.Tensor], tf.Tensor] | None
) -> tf.data.Dataset:
    records = names.interleave(
        lambda name: tf.data.TFRecordDataset(name, compression_type="GZIP"),
        cycle_length=_READERS,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return records.filter(is_wanted) if is_wanted else records


def _count(records: tf.data.Dataset) -> int:
    count = int(records.reduce(np.int64(0), lambda total, _: total + 1))
    if not count:
        raise errors.PipelineError(
            "the training split holds no image to train on. Add annotated images, or "
            "set train.keep_empty_images to true."
        )
    return count


def _is_kept(
    example: dict[str, tf.Tensor], lookup: tf.lookup.StaticHashTable
) -> tf.Tensor:
    """bool [N]: neither a crowd nor of a class outside the table."""
    known = lookup.lookup(example[features.CATEGORY_ID]) >= 0
    return known & (example[features.IS_CROWD] == 0)


def _padded_batches(
    examples: tf.data.Dataset, settings: config.TrainConfig
) -> tf.data.Dataset:
    crop_size = settings.augment.crop_size
    count = settings.max_instances if settings.xla else None
    return examples.padded_batch(
        settings.batch_size,
        padded_shapes={
            "images": [crop_size, crop_size, 3],
            "masks": [count, crop_size, crop_size],
            "class_index": [count],
            "num_instances": [],
        },
        padding_values={
            "images": np.float32(0),
            "masks": np.uint8(0),
            "class_index": np.int32(-1),
            "num_instances": np.int32(0),
        },
        drop_remainder=True,
    )
