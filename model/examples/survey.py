"""A look at the annotations of the first images of a split, to tell what to expect."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from model import config, image_sections
from model.examples import features, record_files

_KEYS = (
    features.IMAGE_HEIGHT,
    features.IMAGE_WIDTH,
    features.CATEGORY_NAME,
    features.IS_CROWD,
    features.AREA,
)


@dataclasses.dataclass(frozen=True)
class Survey:
    """What some images of a split show, crowds left out.

    Attributes:
        images: looked at.
        is_whole: there are no others.
        objects: instances by name of their class.
        areas: float64 [N], px² in the stored image.
        sizes: float64 [N, 2], height and width of the image of each instance, px.
    """

    images: int
    is_whole: bool
    objects: collections.Counter[str]
    areas: np.ndarray
    sizes: np.ndarray

    def trained_sides(self, settings: config.TrainConfig) -> np.ndarray:
        """Square roots of the areas at the middle of the training scales, px [N]."""
        drawn = settings.augment
        scale = drawn.crop_size * (drawn.min_scale + drawn.max_scale) / 2
        return np.sqrt(self.areas) * scale / self.sizes.max(axis=1)

    def evaluated_sides(self, data: image_sections.ImageConfig) -> np.ndarray:
        """Likewise at the size that images are evaluated at, px [N]."""
        short, long = self.sizes.min(axis=1), self.sizes.max(axis=1)
        scale = np.minimum(data.short_side / short, data.long_side / long)
        return np.sqrt(self.areas) * scale


def look(files: Sequence[str], most: int) -> Survey:
    """Reads so many images at most.

    Args:
        files: record files of a split.
    """
    objects: collections.Counter[str] = collections.Counter()
    areas, sizes, images = [], [], 0
    records = record_files.read(files).map(_parse)
    for record in records.take(most + 1).as_numpy_iterator():
        images += 1
        if images > most:
            break
        is_object = record[features.IS_CROWD] == 0
        names = record[features.CATEGORY_NAME][is_object]
        objects.update(name.decode("utf-8") for name in names)
        areas.append(record[features.AREA][is_object])
        size = [record[features.IMAGE_HEIGHT], record[features.IMAGE_WIDTH]]
        sizes.append(np.tile(size, [len(names), 1]))
    return Survey(
        min(images, most),
        images <= most,
        objects,
        np.concatenate([np.zeros([0]), *areas]),
        np.concatenate([np.zeros([0, 2]), *sizes]),
    )


def _parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
    return features.parse_example(record, _KEYS)
