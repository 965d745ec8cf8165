"""Large-scale jitter (Ghiasi et al. 2020): flip, scale and a fixed square crop."""

from typing import NamedTuple

import tensorflow as tf

from pipeline import config


class Geometry(NamedTuple):
    """Where the crop lies in a flipped and scaled image.

    Attributes:
        size: int32 [2], height and width of the stored image, px.
        scaled: int32 [2], height and width after scaling, px.
        origin: int32 [2], top and left of the crop in the scaled image, px.
        is_flipped: bool [], mirrored left to right before anything else.
    """

    size: tf.Tensor
    scaled: tf.Tensor
    origin: tf.Tensor
    is_flipped: tf.Tensor


def draw_geometry(
    size: tf.Tensor, seed: tf.Tensor, settings: config.AugmentConfig
) -> Geometry:
    """Draws flip, scale and crop of one image.

    The image is scaled to fit a square of `crop_size` times the drawn scale; what is
    larger than the crop is cut at a random place, what is smaller stays at the top
    left.

    Args:
        size: int32 [2], height and width, px.
        seed: int32 [2], different for every image and epoch.
    """
    seeds = tf.random.split(seed, 3)
    scale = tf.random.stateless_uniform(
        [], seeds[0], settings.min_scale, settings.max_scale
    )
    sides = tf.cast(size, tf.float32)
    ratio = settings.crop_size * scale / tf.reduce_max(sides)
    scaled = tf.maximum(tf.cast(sides * ratio + 0.5, tf.int32), 1)
    room = tf.maximum(scaled - settings.crop_size, 0)
    place = tf.random.stateless_uniform([2], seeds[1])
    origin = tf.cast(place * tf.cast(room + 1, tf.float32), tf.int32)
    chance = tf.random.stateless_uniform([], seeds[2])
    return Geometry(
        size, scaled, tf.minimum(origin, room), chance < settings.flip_probability
    )


def crop_image(
    image: tf.Tensor,
    geometry: Geometry,
    crop_size: int,
    mean: tf.Tensor,
    std: tf.Tensor,
) -> tf.Tensor:
    """Scales, crops and normalises in one pass over the pixels that are kept.

    Args:
        image: uint8 [H, W, 3], RGB.
        mean, std: float32 [3], of values 0..255.

    Returns:
        float32 [S, S, 3], normalised; 0, the mean, where padded.
    """
    image = tf.cond(geometry.is_flipped, lambda: tf.reverse(image, [1]), lambda: image)
    pixels = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=[crop_size, crop_size],
        scale=tf.cast(geometry.scaled / geometry.size, tf.float32),
        translation=-tf.cast(geometry.origin, tf.float32),
        kernel_type="triangle",
        antialias=True,
    )[0]  # [S, S, 3], what tf.image.resize would give
    pixels = tf.clip_by_value(tf.round(pixels), 0.0, 255.0)
    rows, columns = _is_inside(geometry, crop_size)
    inside = (rows[:, tf.newaxis] & columns)[..., tf.newaxis]
    return tf.where(inside, (pixels - mean) / std, 0.0)


def crop_masks(masks: tf.Tensor, geometry: Geometry, crop_size: int) -> tf.Tensor:
    """The same crop of masks: the nearest pixel, looked up for kept pixels only.

    Args:
        masks: uint8 [N, H, W] in {0, 1}.

    Returns:
        uint8 [N, S, S] in {0, 1}.
    """
    rows, columns = (_source(geometry, axis, crop_size) for axis in (0, 1))  # [S] each
    last = geometry.size[1] - 1
    columns = tf.where(geometry.is_flipped, last - columns, columns)
    cropped = tf.gather(tf.gather(masks, rows, axis=1), columns, axis=2)
    row_inside, column_inside = _is_inside(geometry, crop_size)
    inside = row_inside[:, tf.newaxis] & column_inside  # [S, S]
    return cropped * tf.cast(inside, tf.uint8)


def _source(geometry: Geometry, axis: int, crop_size: int) -> tf.Tensor:
    """Stored pixel that each pixel of the crop lies in, on one axis, int32 [S]."""
    place = tf.range(crop_size) + geometry.origin[axis]
    # Whole numbers keep the pixel centre (place + 0.5) / scaled * size exact.
    source = (2 * place + 1) * geometry.size[axis] // (2 * geometry.scaled[axis])
    return tf.minimum(source, geometry.size[axis] - 1)


def _is_inside(geometry: Geometry, crop_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Rows and columns of the crop that show the image, bool [S] each."""
    end = geometry.scaled - geometry.origin
    places = tf.range(crop_size)
    return places < end[0], places < end[1]
