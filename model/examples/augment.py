"""Large-scale jitter (Ghiasi et al. 2020): flip, scale and a fixed square crop."""

from typing import NamedTuple

import tensorflow as tf

from model import train_sections

# An enlarged picture of up to this many times the crop's pixels is made whole: that
# is three times as fast as making only the crop with a kernel that can shrink as well.
_MAX_ENLARGED_CROPS = 4


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
    size: tf.Tensor, seed: tf.Tensor, settings: train_sections.AugmentConfig
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


def crop_image(image: tf.Tensor, geometry: Geometry, crop_size: int) -> tf.Tensor:
    """Scales and cuts; nothing outside the picture is made.

    Args:
        image: uint8 [H, W, 3], RGB.

    Returns:
        float32 [h, w, 3], whole numbers 0..255, as an 8-bit resize gives; h and w are
        at most `crop_size`.
    """
    image = tf.cond(geometry.is_flipped, lambda: tf.reverse(image, [1]), lambda: image)
    shown = _shown_size(geometry, crop_size)

    def enlarge() -> tf.Tensor:
        whole = tf.image.resize(image, geometry.scaled)
        return tf.slice(
            whole, [*tf.unstack(geometry.origin), 0], [*tf.unstack(shown), 3]
        )

    def shrink() -> tf.Tensor:
        return tf.raw_ops.ScaleAndTranslate(
            images=image[tf.newaxis],
            size=shown,
            scale=tf.cast(geometry.scaled / geometry.size, tf.float32),
            translation=-tf.cast(geometry.origin, tf.float32),
            kernel_type="triangle",
            antialias=True,
        )[0]

    most = _MAX_ENLARGED_CROPS * crop_size**2
    is_enlarged = tf.reduce_all(geometry.scaled >= geometry.size)
    is_small = tf.reduce_prod(tf.cast(geometry.scaled, tf.int64)) <= most
    pixels = tf.cond(is_enlarged & is_small, enlarge, shrink)  # as tf.image.resize
    return tf.ensure_shape(tf.round(pixels), [None, None, 3])


def pad_image(
    pixels: tf.Tensor, crop_size: int, mean: tf.Tensor, std: tf.Tensor
) -> tf.Tensor:
    """Normalises a crop and pads it on the right and below.

    Args:
        pixels: float32 [h, w, 3], RGB 0..255.
        mean, std: float32 [3], of values 0..255.

    Returns:
        float32 [S, S, 3], normalised; 0, the mean, where padded.
    """
    size = tf.shape(pixels)
    # Long rows are an order of magnitude faster than a last dimension of 3.
    rows = tf.reshape(pixels, [size[0], size[1] * 3])
    rows = (rows - tf.tile(mean, size[1:2])) / tf.tile(std, size[1:2])
    missing = crop_size - size
    padded = tf.pad(rows, [[0, missing[0]], [0, missing[1] * 3]])
    return tf.reshape(padded, [crop_size, crop_size, 3])


def draw_turn(seed: tf.Tensor) -> tf.Tensor:
    """How often a crop is turned by 90 degrees, int32 [], 0 to 3."""
    return tf.random.stateless_uniform([], seed, 0, 4, tf.int32)


def turned(
    image: tf.Tensor, masks: tf.Tensor, turn: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns a square crop and its masks, counter-clockwise.

    Args:
        image: float32 [S, S, 3].
        masks: uint8 [N, S, S].
        turn: int32 [], quarters of a turn.
    """
    side = image.shape[0]
    image = tf.ensure_shape(tf.image.rot90(image, turn), [side, side, 3])
    return image, tf.image.rot90(masks[..., None], turn)[..., 0]


def looked_up(geometry: Geometry, crop_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The stored pixels that masks of the crop are made of: the nearest ones.

    Returns:
        Stored row of each row of the crop, int32 [h], and stored column of each
        column, int32 [w]; h and w are those of `crop_image`.
    """
    shown = _shown_size(geometry, crop_size)
    rows, columns = (_source(geometry, axis, shown[axis]) for axis in (0, 1))
    last = geometry.size[1] - 1
    return rows, tf.where(geometry.is_flipped, last - columns, columns)


def _source(geometry: Geometry, axis: int, count: tf.Tensor) -> tf.Tensor:
    """Stored pixel that each pixel of the crop lies in, on one axis, int32 [count]."""
    place = tf.range(count) + geometry.origin[axis]
    # Whole numbers keep the pixel centre (place + 0.5) / scaled * size exact.
    source = (2 * place + 1) * geometry.size[axis] // (2 * geometry.scaled[axis])
    return tf.minimum(source, geometry.size[axis] - 1)


def _shown_size(geometry: Geometry, crop_size: int) -> tf.Tensor:
    """Height and width of the part of the crop that shows the image, int32 [2]."""
    return tf.minimum(geometry.scaled - geometry.origin, crop_size)
