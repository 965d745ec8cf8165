"""Trains Hugging Face's Mask2Former likewise, in the environment of parity.txt.

python -m benchmarks.converge_peer STREAM.npz OUT.npz
"""

import json
import pathlib
import sys
import time

import numpy as np
import torch
import transformers

from benchmarks import toy_stream
from tools import reference_model

_SIZES = reference_model.Sizes(
    depth=18,
    stem_width=24,
    pixel_channels=64,
    encoder_layers=1,
    encoder_feedforward=128,
    channels=64,
    mask_channels=64,
    feedforward=256,
    heads=4,
    queries=20,
    classes=toy_stream.NUM_CLASSES,
    loss_points=256,
)
_DECODER_LAYERS = 6
_WEIGHT_DECAY = 0.05
_CLIP_NORM = 1.0


def main(stream_path: str, out_path: str) -> None:
    """Trains, predicts, and prints one JSON line."""
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    stream = toy_stream.Stream.read(pathlib.Path(stream_path))
    configuration = reference_model.configuration(_SIZES)
    configuration.decoder_layers = _DECODER_LAYERS + 1  # it builds one less
    model = transformers.Mask2FormerForUniversalSegmentation(configuration).train()
    adamw = torch.optim.AdamW(_groups(model), lr=0.0, weight_decay=_WEIGHT_DECAY)
    start = time.perf_counter()
    for batch in stream.batches():
        _update(model, adamw, batch)
    seconds = time.perf_counter() - start
    model.eval()
    images = _channels_first(toy_stream.normalised(stream.eval_images))
    with torch.no_grad():
        outputs = model(pixel_values=images)
    np.savez(
        out_path,
        class_logits=outputs.class_queries_logits.numpy(),
        mask_logits=outputs.masks_queries_logits.numpy(),
    )
    parameters = sum(each.numel() for each in model.parameters())
    print(json.dumps({"seconds": seconds, "parameters": parameters}))


def _update(
    model: transformers.Mask2FormerForUniversalSegmentation,
    adamw: torch.optim.AdamW,
    batch: dict[str, np.ndarray],
) -> None:
    for group in adamw.param_groups:
        group["lr"] = float(batch["rate"])
    adamw.zero_grad()
    counts = batch["counts"]
    masks = torch.from_numpy(batch["masks"].astype(np.float32))
    classes = torch.from_numpy(batch["classes"].astype(np.int64))
    outputs = model(
        pixel_values=_channels_first(batch["images"]),
        mask_labels=[each[:count] for each, count in zip(masks, counts, strict=True)],
        class_labels=[
            each[:count] for each, count in zip(classes, counts, strict=True)
        ],
    )
    outputs.loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP_NORM)
    adamw.step()


def _groups(model: torch.nn.Module) -> list[dict]:
    """Norms and embeddings are not decayed, as in the published recipe."""
    norms = torch.nn.BatchNorm2d | torch.nn.GroupNorm | torch.nn.LayerNorm
    plain, decayed = [], []
    for module in model.modules():
        exempt = isinstance(module, norms | torch.nn.Embedding)
        (plain if exempt else decayed).extend(module.parameters(recurse=False))
    return [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]


def _channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


if __name__ == "__main__":
    main(*sys.argv[1:])
