"""Training batches from stored examples."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from model import config, train_sections
from model.examples import (
    augment,
    categories,
    colour_jitter,
    copy_paste,
    epochs,
    features,
    mask_crop,
    preprocessing,
)

# Folded into an image's seed, away from that of its geometry.
_COLOUR_STREAM, _TURN_STREAM, _PASTE_STREAM, _DONOR_STREAM = range(1, 5)
_DONOR_SEED = 0x5EED  # added to the seed: donors come in an order of their own
TOLD = ("image_id", "left_out")  # of a batch, beside what is trained on
_BATCHES_AHEAD = 2  # a batch at 1024 px may take a gigabyte


def train_dataset(
    files: Sequence[str],
    classes: Sequence[categories.Category],
    settings: config.TrainConfig,
    mean: np.ndarray,
    std: np.ndarray,
    seed: int,
    start_step: int = 0,
    share: range | None = None,
) -> tf.data.Dataset:
    """Endless batches; order and augmentation follow from the seed alone.

    Args:
        files: TFRecord files, gzip-compressed, of serialized examples.
        mean, std: float32 [3], of RGB values 0..255.
        start_step: where to go on, in steps; the batches are then those that an
            uninterrupted run would have seen.
        share: places in the batch whose pixels this process needs, None for all.
            Others have counts and classes; pixels and masks of 0 without copy-paste.

    Returns:
        Dictionaries of
        images: float32 [B, S, S, 3], normalised, 0 where padded.
        masks: uint8 [B, N, S, S] in {0, 1}; N is the largest number of instances in
            the batch and at least 1, or `max_instances` when XLA wants static shapes.
        class_index: int32 [B, N], -1 where padded.
        num_instances: int32 [B], image_id: int64 [B].
        left_out: int32 [B], instances in the crop beyond `max_instances`.

    Raises:
        PipelineError: the files hold no image to train on.
    """
    lookup = categories.class_index_lookup(classes)
    first_image = start_step * settings.batch_size
    read = functools.partial(epochs.read, files, lookup, len(classes), settings)
    records = _with_donors(read, settings.augment, seed, first_image)
    load = functools.partial(_load_in_place, lookup, settings, mean, std, seed, share)
    numbered = records.enumerate(first_image)
    examples = numbered.map(load, tf.data.AUTOTUNE, deterministic=True)
    return _padded_batches(examples, settings).prefetch(_BATCHES_AHEAD)


def _with_donors(
    read: Callable[[int, int], tf.data.Dataset],
    settings: train_sections.AugmentConfig,
    seed: int,
    first_image: int,
) -> tf.data.Dataset:
    """Records, each beside whose objects may be put on top if any are to be."""
    records = read(seed, first_image)
    if not settings.copy_paste:
        return records
    return tf.data.Dataset.zip((records, read(seed + _DONOR_SEED, first_image)))


def _load_in_place(
    lookup: tf.lookup.StaticHashTable,
    settings: config.TrainConfig,
    mean: np.ndarray,
    std: np.ndarray,
    seed: int,
    share: range | None,
    index: tf.Tensor,
    serialized: tf.Tensor | tuple[tf.Tensor, tf.Tensor],
) -> dict[str, tf.Tensor]:
    """`load_example` of the image int64 [] since the first step.

    Args:
        serialized: with copy-paste two, the image and whose objects are put on top.
    """
    mine = share or range(settings.batch_size)
    image_seed = tf.cast(tf.stack([tf.constant(seed, tf.int64), index]), tf.int32)
    load = functools.partial(
        load_example, lookup=lookup, settings=settings, mean=mean, std=std
    )
    if isinstance(serialized, tuple):
        # Which objects are still seen follows from all pixels, so all are made.
        record, donor = serialized
        return _load_with_pasted(load, record, donor, image_seed, settings)
    place = index % settings.batch_size
    is_needed = (place >= mine.start) & (place < mine.stop)
    return load(serialized, seed=image_seed, is_needed=is_needed)


def _load_with_pasted(
    load: Callable[..., dict[str, tf.Tensor]],
    record: tf.Tensor,
    donor: tf.Tensor,
    seed: tf.Tensor,
    settings: config.TrainConfig,
) -> dict[str, tf.Tensor]:
    """An image, with objects of the donor on top if that is drawn."""
    below = load(record, seed=seed)
    paste_seed = tf.random.fold_in(seed, _PASTE_STREAM)
    chance = tf.random.stateless_uniform([], paste_seed)

    def pasted() -> dict[str, tf.Tensor]:
        above = load(donor, seed=tf.random.fold_in(seed, _DONOR_STREAM))
        return copy_paste.paste(below, above, paste_seed, settings.max_instances)

    return tf.cond(chance < settings.augment.copy_paste, pasted, lambda: below)


def load_example(
    serialized: tf.Tensor,
    lookup: tf.lookup.StaticHashTable,
    settings: config.TrainConfig,
    mean: np.ndarray,
    std: np.ndarray,
    seed: tf.Tensor,
    is_needed: tf.Tensor | bool = True,
) -> dict[str, tf.Tensor]:
    """Decodes and augments one image, without crowds and what the crop emptied.

    Args:
        seed: int32 [2].
        is_needed: bool []; False leaves pixels and masks 0, which takes little time.

    Returns:
        What a batch has of it, see `train_dataset`, with an instance at least.
    """
    example = features.parse_example(serialized)
    side = settings.augment.crop_size
    geometry, crop = _draw_crop(example, seed, settings.augment)
    *stored, class_index, left_out = _shown_instances(example, lookup, settings, crop)
    count = tf.size(class_index)

    def made() -> tuple[tf.Tensor, tf.Tensor]:
        image = _shown_pixels(example, geometry, settings.augment, mean, std, seed)
        masks = _padded(mask_crop.masks(*stored, *crop), side)
        return _turned(image, masks, settings.augment, seed)

    blank = functools.partial(_blank, tf.maximum(count, 1), side)
    image, masks = tf.cond(tf.convert_to_tensor(is_needed), made, blank)
    return {
        "images": image,
        "masks": tf.ensure_shape(masks, [None, side, side]),
        "class_index": tf.pad(class_index, [[0, _missing(count)]], constant_values=-1),
        "num_instances": count,
        "image_id": example[features.IMAGE_ID],
        "left_out": left_out,
    }


def _turned(
    image: tf.Tensor,
    masks: tf.Tensor,
    settings: train_sections.AugmentConfig,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """See `augment.turned`; as they are without `quarter_turns`."""
    if not settings.quarter_turns:
        return image, masks
    turn = augment.draw_turn(tf.random.fold_in(seed, _TURN_STREAM))
    return augment.turned(image, masks, turn)


def _draw_crop(
    example: dict[str, tf.Tensor],
    seed: tf.Tensor,
    settings: train_sections.AugmentConfig,
) -> tuple[augment.Geometry, tuple]:
    """What is shown of an image, and the same as `mask_crop.masks` takes it."""
    size = tf.stack([example[features.IMAGE_HEIGHT], example[features.IMAGE_WIDTH]])
    geometry = augment.draw_geometry(tf.cast(size, tf.int32), seed, settings)
    return geometry, (size[0], *augment.looked_up(geometry, settings.crop_size))


def _missing(count: tf.Tensor) -> tf.Tensor:
    """An image without instances has one that is none."""
    return tf.maximum(1 - count, 0)


def _padded(masks: tf.Tensor, side: int) -> tf.Tensor:
    """uint8 [N, h, w] with one of zeros if N is 0, and zeros below and on the right."""
    missing = _missing(tf.shape(masks)[0])
    below, right = (side - tf.shape(masks)[axis] for axis in (1, 2))
    return tf.pad(masks, [[0, missing], [0, below], [0, right]])


def _blank(count: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """A float32 image [S, S, 3] and uint8 masks [N, S, S] of zeros."""
    return tf.zeros([side, side, 3]), tf.zeros([count, side, side], tf.uint8)


def _shown_pixels(
    example: dict[str, tf.Tensor],
    geometry: augment.Geometry,
    settings: train_sections.AugmentConfig,
    mean: np.ndarray,
    std: np.ndarray,
    seed: tf.Tensor,
) -> tf.Tensor:
    """The augmented image, float32 [S, S, 3]."""
    image = preprocessing.decode(example[features.IMAGE_ENCODED])
    image = augment.crop_image(image, geometry, settings.crop_size)
    colour_seed = tf.random.fold_in(seed, _COLOUR_STREAM)
    image = colour_jitter.apply(image, colour_seed, settings.colour_jitter)
    return augment.pad_image(image, settings.crop_size, mean, std)


def _shown_instances(
    example: dict[str, tf.Tensor],
    lookup: tf.lookup.StaticHashTable,
    settings: config.TrainConfig,
    crop: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """The instances that are trained on and seen in the crop.

    Args:
        crop: height, rows and columns as `mask_crop` takes them.

    Returns:
        int64 [R] run lengths, int64 [N] number of runs, int32 [N] class indices, and
        int32 [], how many more there are than are kept.
    """
    class_index = epochs.trained_classes(example, lookup)
    num_runs = example[features.NUM_RUNS]
    is_seen = mask_crop.is_visible(example[features.RUN_LENGTHS], num_runs, *crop)
    shown = tf.where((class_index >= 0) & is_seen)[:, 0]
    kept = shown[: settings.max_instances]
    owner = tf.repeat(tf.range(tf.size(num_runs)), num_runs)  # [R]
    is_kept = tf.scatter_nd(kept[:, None], tf.ones_like(kept), [tf.size(num_runs)]) > 0
    runs = tf.boolean_mask(example[features.RUN_LENGTHS], tf.gather(is_kept, owner))
    left_out = tf.size(shown) - tf.size(kept)
    return runs, tf.gather(num_runs, kept), tf.gather(class_index, kept), left_out


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
            "image_id": [],
            "left_out": [],
        },
        padding_values={
            "images": np.float32(0),
            "masks": np.uint8(0),
            "class_index": np.int32(-1),
            "num_instances": np.int32(0),
            "image_id": np.int64(0),
            "left_out": np.int32(0),
        },
        drop_remainder=True,
    )
