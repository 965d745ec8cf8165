"""Keys of a stored example: the only file that knows them.

Keys follow the TensorFlow object-detection convention; masks are COCO column-major
run lengths, which `mask_rle` turns dense inside a graph.
"""

from collections.abc import Sequence

import tensorflow as tf

IMAGE_ENCODED = "image/encoded"  # bytes: JPEG or PNG, 8-bit RGB
IMAGE_FORMAT = "image/format"  # "jpeg" or "png"
IMAGE_FILENAME = "image/filename"  # path below the data root
IMAGE_ID = "image/id"  # COCO image id
IMAGE_HEIGHT = "image/height"  # px
IMAGE_WIDTH = "image/width"  # px
IMAGE_SHA256 = "image/key/sha256"  # of the encoded bytes, in hex

ANNOTATION_ID = "image/object/id"
CATEGORY_ID = "image/object/class/label"  # COCO category id
CATEGORY_NAME = "image/object/class/text"
BOX_XMIN = "image/object/bbox/xmin"  # fraction of the width, from the mask
BOX_XMAX = "image/object/bbox/xmax"
BOX_YMIN = "image/object/bbox/ymin"  # fraction of the height
BOX_YMAX = "image/object/bbox/ymax"
AREA = "image/object/area"  # px², from the mask
IS_CROWD = "image/object/is_crowd"  # 0 or 1
NUM_RUNS = "image/object/mask/num_runs"  # per object
RUN_LENGTHS = "image/object/mask/run_lengths"  # of all objects, concatenated

IMAGE_KEYS = (
    IMAGE_ENCODED,
    IMAGE_FORMAT,
    IMAGE_FILENAME,
    IMAGE_ID,
    IMAGE_HEIGHT,
    IMAGE_WIDTH,
    IMAGE_SHA256,
)
OBJECT_KEYS = (
    ANNOTATION_ID,
    CATEGORY_ID,
    CATEGORY_NAME,
    BOX_XMIN,
    BOX_XMAX,
    BOX_YMIN,
    BOX_YMAX,
    AREA,
    IS_CROWD,
    NUM_RUNS,
)
# What statistics are computed of: everything but the pixels, the hash and the runs.
ANNOTATION_KEYS = tuple(
    key
    for key in (*IMAGE_KEYS, *OBJECT_KEYS)
    if key not in (IMAGE_ENCODED, IMAGE_SHA256)
)

_BYTES_KEYS = (IMAGE_ENCODED, IMAGE_FORMAT, IMAGE_FILENAME, IMAGE_SHA256, CATEGORY_NAME)
_FLOAT_KEYS = (BOX_XMIN, BOX_XMAX, BOX_YMIN, BOX_YMAX, AREA)


def _dtype(key: str) -> tf.DType:
    if key in _BYTES_KEYS:
        return tf.string
    return tf.float32 if key in _FLOAT_KEYS else tf.int64


def parse_example(
    serialized: tf.Tensor,
    keys: Sequence[str] = (*IMAGE_KEYS, *OBJECT_KEYS, RUN_LENGTHS),
) -> dict[str, tf.Tensor]:
    """Parses one serialized tf.Example.

    Args:
        serialized: string [].
        keys: which to read; the fewer, the faster.

    Returns:
        Image keys as scalars, object keys as [N], `RUN_LENGTHS` as int64 [runs].
    """
    spec = {}
    for key in keys:
        if key in IMAGE_KEYS:
            spec[key] = tf.io.FixedLenFeature([], _dtype(key))
        else:
            spec[key] = tf.io.FixedLenSequenceFeature(
                [], _dtype(key), allow_missing=True
            )
    return tf.io.parse_single_example(serialized, spec)
