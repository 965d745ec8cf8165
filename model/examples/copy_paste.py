"""Copy-paste (Ghiasi et al. 2021, "Simple Copy-Paste"): objects of another image.

Both images are augmented first, each by itself. Edges are not blended: the paper found
that it makes no difference.
"""

import tensorflow as tf

# An object of which less than this share is still seen, after others were put on top,
# is no longer one to be found.
LEAST_VISIBLE = 0.1

Example = dict[str, tf.Tensor]


def paste(
    below: Example, above: Example, seed: tf.Tensor, max_instances: int
) -> Example:
    """Puts a random part of an image's objects on top of another image.

    A share between 0 and 1 is drawn, and each object is taken with that probability;
    no more of them than `max_instances` leaves room for.

    Args:
        below, above: examples as `dataset.load_example` gives them, of one size S.
        seed: int32 [2], different for every image and epoch.

    Returns:
        `below` with other `images`, `masks`, `class_index` and `num_instances`; masks
        lack what is covered now.
    """
    chosen = _chosen(above, seed, max_instances - below["num_instances"])
    pasted = tf.gather(above["masks"], chosen)
    is_covered = tf.reduce_any(pasted > 0, axis=0)  # [S, S]
    masks = tf.where(is_covered, tf.zeros([], tf.uint8), below["masks"])
    left = tf.where(_is_left(below, masks))[:, 0]
    class_index = [
        tf.gather(below["class_index"], left),
        tf.gather(above["class_index"], chosen),
    ]
    masks = tf.concat([tf.gather(masks, left), pasted], axis=0)
    count = tf.size(left, tf.int32) + tf.size(chosen, tf.int32)
    missing = tf.maximum(1 - count, 0)  # without instances there is one that is none
    return {
        **below,
        "images": tf.where(is_covered[..., None], above["images"], below["images"]),
        "masks": tf.pad(masks, [[0, missing], [0, 0], [0, 0]]),
        "class_index": tf.pad(
            tf.concat(class_index, 0), [[0, missing]], constant_values=-1
        ),
        "num_instances": count,
    }


def _is_left(below: Example, masks: tf.Tensor) -> tf.Tensor:
    """Which objects are still to be found, bool [N], `masks` being what is seen."""
    seen, whole = _area(masks), _area(below["masks"])
    is_seen = (seen > 0) & (seen >= LEAST_VISIBLE * whole)
    return is_seen & (below["class_index"] >= 0)


def _chosen(example: Example, seed: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
    """Which objects are taken, int64 [M]."""
    seeds = tf.random.split(seed, 2)
    share = tf.random.stateless_uniform([], seeds[0])
    draws = tf.random.stateless_uniform(tf.shape(example["class_index"]), seeds[1])
    is_chosen = (draws < share) & (example["class_index"] >= 0)
    return tf.where(is_chosen)[: tf.maximum(most, 0), 0]


def _area(masks: tf.Tensor) -> tf.Tensor:
    """float32 [N], px."""
    return tf.reduce_sum(tf.cast(masks, tf.float32), axis=[1, 2])
