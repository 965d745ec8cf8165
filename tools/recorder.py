"""Runs the reference model once and keeps what is compared, in our layout.

Features come out as [B, H, W, C]; gradients keep the names and the layout of the
checkpoint, so that the converter's rules bring them into ours.
"""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import torch
import transformers
from torch import nn
from transformers.models.mask2former import (
    image_processing_pil_mask2former,
    modeling_mask2former,
)

TERMS = ("class", "mask", "dice")
_TERM_NAMES = {"class": "loss_cross_entropy", "mask": "loss_mask", "dice": "loss_dice"}
# What Hugging Face's post-processing always resizes to.
_CANVAS = 384


def record(
    model: transformers.Mask2FormerForUniversalSegmentation,
    images: torch.Tensor,
    masks: list[torch.Tensor],
    classes: list[torch.Tensor],
    seed: int,
) -> dict[str, np.ndarray]:
    """Forward, losses, gradients and post-processing.

    Args:
        images: float32 [B, 3, H, W].
        masks: per image, float32 [n, H, W] in {0, 1}.
        classes: per image, int64 [n].
        seed: of the points.
    """
    points = _Points(model.config, [len(found) for found in classes], seed)
    values: dict[str, torch.Tensor] = {"images": _last(images)}
    hooks = _watch(model, values)
    with points.shared_with(model.criterion):
        outputs = model(
            pixel_values=images,
            mask_labels=masks,
            class_labels=classes,
            output_auxiliary_logits=True,
        )
    outputs.loss.backward()
    for hook in hooks:
        hook.remove()
    every = [*outputs.auxiliary_logits, outputs]
    class_logits = [_logits(answer, "class_queries_logits") for answer in every]
    mask_logits = [_logits(answer, "masks_queries_logits") for answer in every]
    values["class_logits"] = torch.stack(class_logits)  # [L, B, Q, K + 1]
    values["mask_logits"] = torch.stack(mask_logits)  # [L, B, Q, H/4, W/4]
    values["loss/total"] = outputs.loss
    recorded = {name: _array(value) for name, value in values.items()}
    recorded |= points.recorded() | _targets(masks, classes)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            recorded[f"gradient/{name}"] = _array(parameter.grad)
    return recorded | _detections(outputs) | _fitted_detections(outputs, images)


class _Points:
    """Points that both sides use, and what the reference made of them.

    Our loss draws one pattern and moves it for each mask; the reference asks
    `torch.rand`, which is answered here with the same moved patterns.
    """

    def __init__(
        self, config: transformers.Mask2FormerConfig, counts: list[int], seed: int
    ):
        draw = np.random.default_rng(seed).random
        batch, most = len(counts), max(counts)
        num_points = config.train_num_points
        num_uncertain = int(config.importance_sample_ratio * num_points)
        num_candidates = int(config.oversample_ratio * num_points)
        self._predictions = config.decoder_layers
        self._arrays = {
            "matching": draw([batch, num_points, 2], np.float32),
            "candidates": draw([num_candidates, 2], np.float32),
            "random": draw([num_points - num_uncertain, 2], np.float32),
            "shifts": draw([batch, self._predictions, most, 2], np.float32),
        }
        shape = [batch, self._predictions, config.num_queries, most]
        self._costs = np.full(shape, np.nan, np.float32)
        self._query_index = np.full([*shape[:2], most], -1, np.int32)
        self._terms = {term: np.zeros(self._predictions) for term in TERMS}
        self._calls = 0
        self._image = 0
        self._pairs: list[tuple[torch.Tensor, torch.Tensor]] | None = None

    @contextlib.contextmanager
    def shared_with(self, criterion: nn.Module) -> Iterator[None]:
        """Patches the reference's matcher and loss while it computes its loss."""
        match = criterion.matcher.forward
        compute = criterion.loss_masks
        label = criterion.loss_labels

        def matched(*arguments: Any):
            self._image, self._pairs = 0, None
            self._pairs = match(*arguments)
            for image, (queries, instances) in enumerate(self._pairs):
                self._query_index[image, self._prediction, instances] = queries
            return self._pairs

        def losses(*arguments: Any):
            found = compute(*arguments)
            self._note(found)
            return found

        def labels(*arguments: Any):
            found = label(*arguments)
            self._note(found)
            self._calls += 1  # the last thing computed for a prediction
            return found

        with (
            mock.patch.multiple(criterion, loss_masks=losses, loss_labels=labels),
            mock.patch.object(criterion.matcher, "forward", matched),
            mock.patch.object(torch, "rand", self._rand),
            mock.patch.object(
                modeling_mask2former, "linear_sum_assignment", self._solve
            ),
        ):
            yield

    @property
    def _prediction(self) -> int:
        """The reference computes the last prediction first, then the others."""
        return (self._calls - 1) % self._predictions

    def _rand(
        self, rows: int, count: int, axes: int, device: torch.device | None = None
    ) -> torch.Tensor:
        if self._pairs is None:
            return torch.from_numpy(self._arrays["matching"][self._image][np.newaxis])
        shifts = self._arrays["shifts"][:, self._prediction]
        moves = [shifts[i, found] for i, (_, found) in enumerate(self._pairs)]
        pattern = self._arrays["candidates"]
        if count != len(pattern):
            pattern = self._arrays["random"]
        moved = pattern + np.concatenate(moves)[:, np.newaxis]
        return torch.from_numpy(moved - np.floor(moved))

    def _solve(self, cost: torch.Tensor):
        from scipy import optimize

        count = cost.shape[1]
        self._costs[self._image, self._prediction, :, :count] = cost
        self._image += 1
        return optimize.linear_sum_assignment(cost)

    def _note(self, found: dict[str, torch.Tensor]) -> None:
        for term, name in _TERM_NAMES.items():
            if name in found:
                self._terms[term][self._prediction] = float(found[name].detach())

    def recorded(self) -> dict[str, np.ndarray]:
        """Points, costs, assignments and unweighted loss terms."""
        points = {f"points/{name}": value for name, value in self._arrays.items()}
        terms = {f"loss/{term}": value for term, value in self._terms.items()}
        matching = {"costs": self._costs, "query_index": self._query_index}
        return {**points, **terms, **matching}


def _watch(model: nn.Module, values: dict[str, torch.Tensor]) -> list:
    """Hooks that keep features, attention inputs and attention masks."""
    pixels = model.model.pixel_level_module

    def backbone(_, __, outputs: Any):
        for index, feature in enumerate(outputs.feature_maps):
            values[f"backbone/res{index + 2}"] = _last(feature)

    def pixel_decoder(_, __, outputs: Any):
        values["pixel_decoder/mask_features"] = _last(outputs.mask_features)
        for index, level in enumerate(outputs.multi_scale_features):
            values[f"pixel_decoder/level_{index}"] = _last(level)

    def deformable(_, __, inputs: dict[str, Any], outputs: tuple):
        tokens = inputs["hidden_states"]
        values["deformable/tokens"] = tokens
        values["deformable/queries"] = tokens + inputs["position_embeddings"]
        values["deformable/references"] = inputs["reference_points"][0, :, 0]
        shapes = inputs["spatial_shapes_list"]
        values["deformable/level_shapes"] = torch.tensor(shapes, dtype=torch.int32)
        values["deformable/outputs"] = outputs[0]

    def blocked(index: int):
        def keep(_, __, inputs: dict[str, Any], ___):
            mask = inputs["attn_mask"].bool()  # [B * heads, Q, S], equal in all heads
            heads = model.config.num_attention_heads
            values[f"blocked/{index}"] = mask.unflatten(0, (-1, heads))[:, 0]

        return keep

    hooks = [
        pixels.encoder.register_forward_hook(backbone),
        pixels.decoder.register_forward_hook(pixel_decoder),
        pixels.decoder.encoder.layers[0].self_attn.register_forward_hook(
            deformable, with_kwargs=True
        ),
    ]
    for index, layer in enumerate(model.model.transformer_module.decoder.layers):
        hook = layer.cross_attn.register_forward_hook(blocked(index), with_kwargs=True)
        hooks.append(hook)
    return hooks


def _targets(
    masks: list[torch.Tensor], classes: list[torch.Tensor]
) -> dict[str, np.ndarray]:
    """Ground truth as our batches hold it, padded to the most instances."""
    most = max(len(found) for found in classes)
    shape = [len(masks), most, *masks[0].shape[1:]]
    padded, class_index = np.zeros(shape, np.uint8), np.full(shape[:2], -1, np.int32)
    for image, (mask, found) in enumerate(zip(masks, classes, strict=True)):
        padded[image, : len(found)] = mask.numpy()
        class_index[image, : len(found)] = found.numpy()
    counts = np.array([len(found) for found in classes], np.int32)
    return {
        "targets/masks": padded,
        "targets/class_index": class_index,
        "targets/num_instances": counts,
    }


def _detections(outputs: Any) -> dict[str, np.ndarray]:
    """Hugging Face's own post-processing, on its fixed canvas, best first."""
    processor = image_processing_pil_mask2former.Mask2FormerImageProcessorPil()
    results = processor.post_process_instance_segmentation(
        outputs, threshold=0.0, return_binary_maps=True
    )
    recorded = {}
    for image, result in enumerate(results):
        infos = result["segments_info"]
        scores = np.array([info["score"] for info in infos], np.float32)
        labels = np.array([info["label_id"] for info in infos], np.int32)
        order = np.argsort(-scores, kind="stable")
        recorded[f"detections/{image}/scores"] = scores[order]
        recorded[f"detections/{image}/class_index"] = labels[order]
        maps = _array(result["segmentation"])[order].astype(bool)
        recorded[f"detections/{image}/masks"] = np.packbits(maps, axis=-1)
    return recorded


def _fitted_detections(outputs: Any, images: torch.Tensor) -> dict[str, np.ndarray]:
    """The authors' order of steps: to the canvas, cut, to the original size, then > 0.

    Of the last image, as if three quarters of its canvas were image and the original
    twice and once and a half as large.
    """
    height, width = images.shape[-2:]
    content = (height * 3 // 4, width * 3 // 4)
    original = (content[0] * 2, content[1] * 3 // 2)
    resize = nn.functional.interpolate
    logits = outputs.masks_queries_logits[-1:].detach()
    logits = resize(logits, size=(height, width), mode="bilinear")
    logits = logits[..., : content[0], : content[1]]
    logits = resize(logits, size=original, mode="bilinear")[0]
    masks = logits > 0
    inside = (logits.sigmoid() * masks).sum((1, 2))
    quality = inside / masks.sum((1, 2)).clamp(min=1)
    probs = outputs.class_queries_logits[-1].softmax(-1)[:, :-1]
    scores = probs * quality[:, None]
    return {
        "fitted/content_size": np.array(content, np.int32),
        "fitted/original_size": np.array(original, np.int32),
        "fitted/scores": _array(scores),  # [Q, K]
        "fitted/masks": np.packbits(_array(masks), axis=-1),  # [Q, H, W / 8]
    }


def _logits(answer: Any, name: str) -> torch.Tensor:
    return answer[name] if isinstance(answer, dict) else getattr(answer, name)


def _last(features: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W] -> [B, H, W, C]."""
    return features.permute(0, 2, 3, 1)


def _array(value: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(value.detach().numpy())
