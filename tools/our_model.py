"""Our network on what the reference has recorded, under the same names."""

import contextlib
import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from unittest import mock

import numpy as np
import tensorflow as tf
from pycocotools import mask as mask_api

from model import train_sections
from model.examples import categories
from model.loss import criterion, matcher
from model.network import mask2former, transformer_decoder
from model.serve import postprocess
from model.weights import starting_weights, weights_architecture, weights_file
from pipeline.tools import weights_conversion as conversion

# Rounding decides an attention mask's bit when the logit is nearer to zero than this.
UNDECIDED_LOGIT = 1e-4

Arrays = Mapping[str, np.ndarray]


def load_network(checkpoint: pathlib.Path) -> mask2former.Mask2Former:
    """Converts a whole checkpoint and builds the network it belongs to."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "converted.safetensors"
        conversion.convert(checkpoint, out)
        values, header = weights_file.read(out)
        num_classes = len(values["decoder/class_head/bias"]) - 1
        names = header.class_names or [f"thing {index}" for index in range(num_classes)]
        classes = [
            categories.Category(number, name, 0)
            for number, name in enumerate(names, start=1)
        ]
        network = mask2former.build(header.network, num_classes)
        starting_weights.load_into(network, out, classes)
    return network


def run(network: mask2former.Mask2Former, reference: Arrays) -> dict[str, np.ndarray]:
    """Everything the reference has recorded, by our network.

    One bit of an attention mask changes all that follows, so where rounding decides,
    the network goes on with the reference's bit. What is kept as `blocked` is its own.
    """
    settings = train_sections.LossConfig(
        num_points=reference["points/matching"].shape[1]
    )
    points = criterion.Points(
        *(tf.constant(reference[f"points/{name}"]) for name in criterion.Points._fields)
    )
    batch = {
        name: tf.constant(reference[f"targets/{name}"])
        for name in ("masks", "class_index", "num_instances")
    }
    divisors = criterion.normalisers(
        batch["num_instances"], network.model_config.decoder.num_queries, settings
    )
    variables = network.trainable_variables
    with _recorded_masks(reference) as attention_masks, tf.GradientTape() as tape:
        predictions = network(reference["images"], training=True)
        cost = criterion.matching_costs(predictions, batch, points, settings)
        query_index, _ = matcher.assign(cost, batch["num_instances"])
        terms = criterion.loss_terms(
            predictions, batch, query_index, points, divisors, settings
        )
        loss = tf.add_n([tf.reduce_sum(term) for term in terms.values()])
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    ours = {
        "class_logits": np.stack(predictions["class_logits"]),
        "mask_logits": np.stack(predictions["mask_logits"]),
        "costs": cost.numpy(),
        "query_index": query_index.numpy(),
        "loss/total": loss.numpy(),
        "loss/class": terms["class"].numpy() / settings.class_weight,
        "loss/mask": terms["mask"].numpy() / settings.mask_weight,
        "loss/dice": terms["dice"].numpy() / settings.dice_weight,
    }
    for index, (logits, blocked) in enumerate(attention_masks):
        ours[f"blocked_logits/{index}"], ours[f"blocked/{index}"] = logits, blocked
    for variable, gradient in zip(variables, gradients, strict=True):
        name = weights_architecture.own_name(variable)
        ours[f"gradient/{name}"] = tf.convert_to_tensor(gradient).numpy()
    return ours | features(network, reference)


def features(
    network: mask2former.Mask2Former, reference: Arrays
) -> dict[str, np.ndarray]:
    """Backbone stages, one deformable attention on its own, and the pixel decoder."""
    stages = network.backbone(reference["images"])
    ours = {
        f"backbone/res{index}": stage.numpy()
        for index, stage in enumerate(stages, start=2)
    }
    attention = network.pixel_decoder.encoder_layers[0].attention
    inputs = ("queries", "tokens", "references", "level_shapes")
    outputs = attention(*(tf.constant(reference[f"deformable/{n}"]) for n in inputs))
    ours["deformable/outputs"] = outputs.numpy()
    mask_features, levels = network.pixel_decoder(stages)
    ours["pixel_decoder/mask_features"] = mask_features.numpy()
    for index, level in enumerate(levels):
        ours[f"pixel_decoder/level_{index}"] = level.numpy()
    return ours


@contextlib.contextmanager
def _recorded_masks(
    reference: Arrays,
) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Keeps the logits and the attention mask of every block."""
    found = []
    original = transformer_decoder.blocked_pixels

    def keep(logits: tf.Tensor) -> tf.Tensor:
        blocked = original(logits)
        decided = tf.abs(logits) >= UNDECIDED_LOGIT
        theirs = tf.constant(reference[f"blocked/{len(found)}"])
        found.append((logits.numpy(), blocked.numpy()))
        return tf.where(decided, blocked, theirs)

    with mock.patch.object(transformer_decoder, "blocked_pixels", keep):
        yield found


@dataclasses.dataclass(frozen=True)
class Detections:
    """Instances of one image: float32 [T], int32 [T] and bool [T, H, W]."""

    scores: np.ndarray
    class_index: np.ndarray
    masks: np.ndarray


def detect(
    class_logits: np.ndarray,
    mask_logits: np.ndarray,
    canvas_size: tuple[int, int],
    content_size: tuple[int, int],
    original_size: tuple[int, int],
    max_detections: int,
) -> list[Detections]:
    """Post-processes [B, Q, K + 1] and [B, Q, h, w], all images of the same sizes."""
    batch = len(class_logits)
    found = postprocess.detect(
        tf.constant(class_logits),
        tf.constant(mask_logits),
        tf.constant(canvas_size),
        tf.constant([content_size] * batch),
        tf.constant([original_size] * batch),
        max_detections,
    )
    found = {name: value.numpy() for name, value in found.items()}
    results = []
    for image, count in enumerate(found[postprocess.NUM_DETECTIONS]):
        codes = found[postprocess.MASKS_RLE][image, :count]
        masks = [
            mask_api.decode({"size": list(original_size), "counts": code})
            for code in codes
        ]
        shape = (0, *original_size)
        results.append(
            Detections(
                found[postprocess.SCORES][image, :count],
                found[postprocess.CLASS_INDEX][image, :count],
                np.stack(masks).astype(bool) if masks else np.zeros(shape, bool),
            )
        )
    return results
