"""Matching and losses of a batch, over all supervised predictions."""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import tensorflow as tf

from model import train_sections
from model.kernels import point_sampling
from model.loss import loss_points, losses, matcher

TERMS = ("class", "mask", "dice")


class Predictions(TypedDict):
    """What the losses read of the network's answer."""

    class_logits: tuple[tf.Tensor, ...]
    mask_embeddings: tuple[tf.Tensor, ...]
    mask_features: tf.Tensor


class Normalisers(NamedTuple):
    """What loss sums are divided by; both follow from ground truth alone.

    Attributes:
        num_masks: float32 [], instances of the effective batch, at least 1.
        class_weight: float32 [], sum of the class weights of all queries, the same
            for every supervised prediction. An object counts 1, as the weights of
            `balance.class_weights` do on average: divided by what is in the batch, they
            would cancel out in a batch of one class.
    """

    num_masks: tf.Tensor
    class_weight: tf.Tensor


def normalisers(
    num_instances: tf.Tensor, num_queries: int, settings: train_sections.LossConfig
) -> Normalisers:
    """Counts the effective batch: all replicas, all micro-batches.

    Args:
        num_instances: int32 [B] of the whole effective batch.
    """
    matched = tf.reduce_sum(tf.minimum(num_instances, num_queries))
    rest = tf.size(num_instances) * num_queries - matched
    weight = tf.cast(matched, tf.float32)
    weight += settings.no_object_weight * tf.cast(rest, tf.float32)
    num_masks = tf.cast(tf.maximum(tf.reduce_sum(num_instances), 1), tf.float32)
    return Normalisers(num_masks, weight)


class Points(NamedTuple):
    """Random places of a step, the same however the batch is cut into parts.

    Attributes:
        matching: float32 [B, P, 2], xy_unit, shared by all masks of an image.
        candidates: float32 [R, 2], pattern that the uncertain points come from.
        random: float32 [P - uncertain, 2], pattern of the remaining loss points.
        shifts: float32 [B, L, N, 2], moves the patterns for each mask.
    """

    matching: tf.Tensor
    candidates: tf.Tensor
    random: tf.Tensor
    shifts: tf.Tensor


def draw_points(
    seed: tf.Tensor,
    effective_batch: int,
    images: tf.Tensor,
    num_predictions: int,
    num_instances: tf.Tensor,
    settings: train_sections.LossConfig,
) -> Points:
    """Draws the points of some images of the effective batch.

    Args:
        seed: int32 or int64 [2], different for every step.
        effective_batch: images in it.
        images: int32 [B], places in the effective batch.
        num_predictions: L.
        num_instances: int [], N, the padded length.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 5)
    num_uncertain = int(settings.importance_ratio * settings.num_points)
    num_candidates = int(settings.oversample_ratio * settings.num_points)
    draw = tf.random.stateless_uniform
    image_shifts = draw([effective_batch, 2], seeds[0])
    shifts = draw([effective_batch, num_predictions, num_instances, 2], seeds[1])
    pattern = draw([settings.num_points, 2], seeds[2])
    return Points(
        matching=loss_points.shifted(pattern, tf.gather(image_shifts, images)),
        candidates=draw([num_candidates, 2], seeds[3]),
        random=draw([settings.num_points - num_uncertain, 2], seeds[4]),
        shifts=tf.gather(shifts, images),
    )


def matching_costs(
    predictions: Predictions,
    batch: dict[str, tf.Tensor],
    points: Points,
    settings: train_sections.LossConfig,
) -> tf.Tensor:
    """Costs of pairing queries with instances, float32 [B, L, Q, N], no gradient.

    Args:
        predictions: as Mask2Former returns them.
        batch: masks uint8 [B, N, S, S], class_index int32 [B, N].
    """
    # Sampling is linear: features sampled once serve every query of every prediction.
    features = point_sampling.sample_features(
        predictions["mask_features"], points.matching
    )  # [B, P, C]
    truth = (
        batch["class_index"],
        _sample_targets(batch["masks"], points.matching),
        settings,
    )

    def of_prediction(outputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        class_logits, embeddings = (tf.expand_dims(each, 1) for each in outputs)
        mask_logits = tf.einsum("blqc,bpc->blqp", embeddings, features)
        return tf.squeeze(matcher.costs(class_logits, mask_logits, *truth), axis=1)

    # Two at a time: mask logits of all together would be the step's largest tensors.
    outputs = (
        tf.stack(predictions["class_logits"]),
        tf.stack(predictions["mask_embeddings"]),
    )
    cost = tf.map_fn(
        of_prediction,
        outputs,
        fn_output_signature=tf.float32,
        parallel_iterations=2,
    )  # [L, B, Q, N]
    return tf.stop_gradient(tf.transpose(cost, [1, 0, 2, 3]))


def loss_terms(
    predictions: Predictions,
    batch: dict[str, tf.Tensor],
    query_index: tf.Tensor,
    points: Points,
    divisors: Normalisers,
    settings: train_sections.LossConfig,
    skip_padding: bool = True,
    class_weights: Sequence[float] = (),
) -> dict[str, tf.Tensor]:
    """The weighted loss terms; their sum over everything is the loss.

    Args:
        predictions: as Mask2Former returns them.
        batch: masks uint8 [B, N, S, S], class_index int32 [B, N].
        query_index: int32 [B, L, N], see `matcher.assign`.
        skip_padding: leave unmatched places out of the mask losses; False keeps them
            with weight zero, so that shapes are static (XLA).
        class_weights: see `balance.class_weights`. They are in no matching cost: there
            the queries compete for one instance, and its own weight would only shift
            what counts between class and mask.

    Returns:
        `class`, `mask` and `dice`: float32 [L] each, one value per prediction.
    """
    class_logits = tf.stack(predictions["class_logits"], axis=1)  # [B, L, Q, K+1]
    classes = target_classes(query_index, batch["class_index"], class_logits)
    class_loss = losses.classification(
        class_logits, classes, settings.no_object_weight, class_weights
    )  # [B, L, Q]
    mask_loss, dice_loss = _mask_losses(
        predictions, batch["masks"], query_index, points, settings, skip_padding
    )  # [L]
    class_sum = tf.reduce_sum(class_loss, axis=(0, 2)) / divisors.class_weight
    return {
        "class": settings.class_weight * class_sum,
        "mask": settings.mask_weight * mask_loss / divisors.num_masks,
        "dice": settings.dice_weight * dice_loss / divisors.num_masks,
    }


def target_classes(
    query_index: tf.Tensor, class_index: tf.Tensor, class_logits: tf.Tensor
) -> tf.Tensor:
    """The class each query should give, K where it was matched with nothing.

    Args:
        query_index: int32 [B, L, N].
        class_index: int32 [B, N].
        class_logits: float32 [B, L, Q, K + 1].

    Returns:
        int32 [B, L, Q].
    """
    num_queries = tf.shape(class_logits)[2]
    no_object = class_logits.shape[-1] - 1
    chosen = tf.one_hot(query_index, num_queries, dtype=tf.int32)  # [B, L, N, Q]
    gap = (class_index - no_object)[:, tf.newaxis, :, tf.newaxis]
    return no_object + tf.reduce_sum(chosen * gap, axis=2)


def _mask_losses(
    predictions: Predictions,
    masks: tf.Tensor,
    query_index: tf.Tensor,
    points: Points,
    settings: train_sections.LossConfig,
    skip_padding: bool,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums over all matched masks, float32 [L] each."""
    num_predictions = query_index.shape[1]
    padded = tf.maximum(tf.shape(query_index)[2], 1)
    maps = _matched_maps(predictions, query_index)  # [B * L * N, H/4, W/4]
    flat_query = tf.reshape(query_index, [-1])
    pairs = tf.range(tf.size(flat_query))
    if skip_padding:
        pairs = tf.boolean_mask(pairs, flat_query >= 0)  # [M]
    weights = tf.cast(tf.gather(flat_query, pairs) >= 0, tf.float32)
    # Pair (b, l, n) belongs to ground truth (b, n) and to prediction l.
    image, rest = pairs // (num_predictions * padded), pairs % padded
    logits, targets = loss_points.look(
        tf.gather(maps, pairs),  # [M, H/4, W/4]
        point_sampling.bordered(_merged(masks)),
        image * padded + rest,
        tf.gather(tf.reshape(points.shifts, [-1, 2]), pairs),
        loss_points.Pattern(
            points.candidates,
            points.random,
            int(settings.importance_ratio * settings.num_points),
        ),
    )
    prediction = pairs // padded % num_predictions
    return tuple(
        tf.math.unsorted_segment_sum(
            weights * term(logits, targets), prediction, num_predictions
        )
        for term in (losses.point_cross_entropy, losses.point_dice)
    )


def _matched_maps(predictions: Predictions, query_index: tf.Tensor) -> tf.Tensor:
    """Mask logits of the matched queries only; others get no mask gradient."""
    embeddings = tf.stack(predictions["mask_embeddings"], axis=1)  # [B, L, Q, C]
    features = predictions["mask_features"]
    chosen = tf.gather(embeddings, tf.maximum(query_index, 0), batch_dims=2)
    shape = tf.shape(features)
    channels = features.shape[-1]
    rows = tf.reshape(chosen, [shape[0], -1, channels])  # [B, L * N, C]
    pixels = tf.reshape(features, [shape[0], -1, channels])  # [B, H * W, C]
    maps = tf.matmul(rows, pixels, transpose_b=True)  # [B, L * N, H * W]
    return tf.reshape(maps, [-1, shape[1], shape[2]])


def _sample_targets(masks: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Ground truth at an image's points: uint8 [B, N, S, S] -> float32 [B, N, P]."""
    batch, padded = tf.shape(masks)[0], tf.shape(masks)[1]
    every = tf.repeat(points, padded, axis=0)  # [B * N, P, 2]
    values = point_sampling.sample_maps(_merged(masks), tf.range(batch * padded), every)
    return tf.reshape(values, [batch, padded, -1])


def _merged(masks: tf.Tensor) -> tf.Tensor:
    """[B, N, S, S] -> [B * N, S, S]."""
    shape = tf.shape(masks)
    return tf.reshape(masks, [shape[0] * shape[1], shape[2], shape[3]])
