"""From logits to detections: the authors' `instance_inference`, inside a graph."""

import tensorflow as tf

from model.serve import mask_drawing

NUM_DETECTIONS = "num_detections"  # int32 [B]
SCORES = "scores"  # float32 [B, T], descending
CLASS_INDEX = "class_index"  # int32 [B, T]
BOXES = "boxes"  # float32 [B, T, 4], xywh_px
MASKS_RLE = "masks_rle"  # string [B, T]


def detect(
    class_logits: tf.Tensor,
    mask_logits: tf.Tensor,
    canvas_size: tf.Tensor,
    content_size: tf.Tensor,
    original_size: tf.Tensor,
    max_detections: int,
) -> dict[str, tf.Tensor]:
    """Takes the best query-class pairs of each image and draws their masks.

    A query may be taken under several classes. A pair scores its class probability
    times the mean probability of the pixels inside its mask; a pair whose mask is
    empty is no detection.

    Args:
        class_logits: float [B, Q, K + 1], the last class is "no object".
        mask_logits: float [B, Q, h, w].
        canvas_size: int32 [2], height and width of the network's input.
        content_size: int32 [B, 2], the part of the canvas that is image.
        original_size: int32 [B, 2], what masks and boxes are in.
        max_detections: T.

    Returns:
        The tensors named above, padded to T with score 0, class -1, a zero box and an
        empty string.
    """

    def one(image: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        classes, masks, *sizes = image
        to_original = _resize_weights(tf.shape(masks)[1:], canvas_size, *sizes)
        return _detect_one(classes, masks, to_original, max_detections)

    logits = (tf.cast(class_logits, tf.float32), tf.cast(mask_logits, tf.float32))
    return tf.map_fn(
        one,
        (*logits, content_size, original_size),
        fn_output_signature=_of_one_image(max_detections),
        parallel_iterations=1,  # an image's masks may fill the memory on their own
    )


def _of_one_image(max_detections: int) -> dict[str, tf.TensorSpec]:
    return {
        NUM_DETECTIONS: tf.TensorSpec([], tf.int32),
        SCORES: tf.TensorSpec([max_detections], tf.float32),
        CLASS_INDEX: tf.TensorSpec([max_detections], tf.int32),
        BOXES: tf.TensorSpec([max_detections, 4], tf.float32),
        MASKS_RLE: tf.TensorSpec([max_detections], tf.string),
    }


def _detect_one(
    class_logits: tf.Tensor,
    mask_logits: tf.Tensor,
    to_original: tuple[tf.Tensor, tf.Tensor],
    max_detections: int,
) -> dict[str, tf.Tensor]:
    """Detections of one image, from [Q, K + 1] and [Q, h, w]."""
    probs = tf.nn.softmax(class_logits)[:, :-1]  # [Q, K]
    num_classes = tf.shape(probs)[1]
    num_pairs = tf.minimum(tf.size(probs), max_detections)
    class_probs, pair = tf.math.top_k(tf.reshape(probs, [-1]), num_pairs)  # [T']
    queries, place = tf.unique(pair // num_classes)  # each mask is drawn once
    drawn = mask_drawing.draw(tf.gather(mask_logits, queries), *to_original)
    quality, boxes, rle = (tf.gather(value, place) for value in drawn)  # [T', ...]

    scores = class_probs * quality
    found = scores > 0.0  # an empty mask and NaN are none
    best_first = tf.argsort(
        tf.where(found, scores, -1.0), direction="DESCENDING", stable=True
    )
    num_found = tf.math.count_nonzero(found, dtype=tf.int32)
    kept = best_first[:num_found]

    def padded(values: tf.Tensor, filler: float | int | str) -> tf.Tensor:
        values = tf.gather(values, kept)
        paddings = [[0, max_detections - num_found]] + [[0, 0]] * (
            len(values.shape) - 1
        )
        return tf.pad(values, paddings, constant_values=filler)

    return {
        NUM_DETECTIONS: num_found,
        SCORES: padded(scores, 0.0),
        CLASS_INDEX: padded(pair % num_classes, -1),
        BOXES: padded(boxes, 0.0),
        MASKS_RLE: padded(rle, ""),
    }


def _resize_weights(
    mask_size: tf.Tensor, canvas: tf.Tensor, content: tf.Tensor, original: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mask -> canvas -> crop to the content -> original size, one matrix an axis.

    Both bilinear resizes and the crop are linear and treat the axes apart, so their
    product gives the same pixels and the canvas is never held in memory.

    Returns:
        float32 [H, h] and [W, w].
    """
    rows, columns = (
        tf.matmul(
            _bilinear(content[axis], original[axis]),
            _bilinear(mask_size[axis], canvas[axis])[: content[axis]],
        )
        for axis in (0, 1)
    )
    return rows, columns


def _bilinear(size_in: tf.Tensor, size_out: tf.Tensor) -> tf.Tensor:
    """Bilinear weights with half-pixel centres, no antialiasing: float32 [out, in]."""
    scale = tf.cast(size_in, tf.float32) / tf.cast(size_out, tf.float32)
    centres = (tf.range(size_out, dtype=tf.int32), tf.range(size_in, dtype=tf.int32))
    outputs, inputs = (tf.cast(centre, tf.float32) for centre in centres)
    positions = (outputs + 0.5) * scale - 0.5
    positions = tf.clip_by_value(positions, 0.0, tf.cast(size_in, tf.float32) - 1.0)
    return tf.maximum(1.0 - tf.abs(positions[:, None] - inputs[None]), 0.0)
