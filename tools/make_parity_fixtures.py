"""Writes what the reference model computes, for comparison without PyTorch.

Runs in the environment of requirements/parity.txt:

    .venv-parity/bin/python tools/make_parity_fixtures.py            # tests/parity
    .venv-parity/bin/python tools/make_parity_fixtures.py --height 480 --width 480 \
        --out DIR                                                    # full sizes

A folder holds a checkpoint in Hugging Face's format (config.json, model.safetensors),
for small models the same weights in the authors' (detectron2.pkl), and reference.npz.
"""

import argparse
import dataclasses
import json
import pathlib
import pickle
import sys

import authors_names
import numpy as np
import recorder
import reference_model
import safetensors.torch
import torch

_FIXTURES = pathlib.Path(__file__).parents[1] / "tests" / "parity" / "fixtures"
_SEED = 4
# Thirds of the sizes are odd, widths differ from heights, channels from each other.
_SMALL = reference_model.Sizes(
    stem_width=4,
    pixel_channels=64,
    encoder_layers=2,
    encoder_feedforward=96,
    channels=32,
    mask_channels=48,
    feedforward=64,
    heads=4,
    queries=12,
    classes=5,
    loss_points=112,
)
_SMALL_SWIN = dataclasses.replace(_SMALL, backbone="swin_tiny")
_SMALL_SIZE = (2, 64, 32)  # no stage is a whole number of windows
_ODD_SIZE = (1, 75, 61)  # neither of patches, nor of halves
_STORED_SWIN_GRADIENTS = (
    "patch_embeddings.projection.weight",
    "layers.0.blocks.0.attention.q_proj.weight",
    "layers.0.blocks.1.attention.relative_position_bias.relative_position_bias_table",
    "layers.0.downsample.norm.weight",
    "layers.1.blocks.1.attention.v_proj.bias",
    "layers.2.blocks.5.mlp.fc1.bias",
    "layers.3.blocks.1.layernorm_before.weight",
    "hidden_states_norms.stage1.weight",
    "hidden_states_norms.stage4.bias",
    "class_predictor.weight",
)
# What comes after the network, and is the same with any backbone.
_LEFT_OUT = ("detections/", "fitted/")
_STORED_GRADIENTS = (
    "embedder.embedder.convolution.weight",
    "stages.0.layers.0.layer.1.convolution.weight",
    "stages.3.layers.2.layer.2.convolution.weight",
    "decoder.level_embed",
    "decoder.input_projections.0.1.weight",
    "encoder.layers.0.self_attn.sampling_offsets.weight",
    "encoder.layers.0.self_attn.attention_weights.weight",
    "encoder.layers.1.fc1.weight",
    "decoder.adapter_1.0.weight",
    "decoder.mask_projection.weight",
    "queries_embedder.weight",
    "queries_features.weight",
    "transformer_module.level_embed.weight",
    "decoder.layers.0.cross_attn.in_proj_weight",
    "decoder.layers.8.self_attn.q_proj.weight",
    "decoder.layers.8.fc2.weight",
    "decoder.layernorm.weight",
    "mask_embedder.2.0.weight",
    "class_predictor.weight",
)


def main() -> int:
    """Writes the stored fixtures, or one folder of full size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, help="folder of a full-size run")
    parser.add_argument(
        "--backbone", default="resnet50", choices=reference_model.BACKBONES
    )
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seed", type=int, default=_SEED)
    arguments = parser.parse_args()
    if arguments.out:
        size = (arguments.batch, arguments.height, arguments.width)
        sizes = reference_model.Sizes(backbone=arguments.backbone)
        _write(arguments.out, sizes, size, False, arguments.seed)
        return 0
    torch.set_num_threads(1)
    _write(_FIXTURES / "network", _SMALL, (2, 96, 64), True, arguments.seed)
    _write_backbone(_FIXTURES / "backbone", arguments.seed)
    _write_swin(_FIXTURES / "swin", arguments.seed)
    return 0


def _write(
    folder: pathlib.Path,
    sizes: reference_model.Sizes,
    image_size: tuple[int, int, int],
    small: bool,
    seed: int,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model = reference_model.build(sizes, seed)
    images, masks, classes = reference_model.draw_images(*image_size, seed=seed + 1)
    recorded = recorder.record(model, images, masks, classes, seed=seed + 2)
    model.config.to_json_file(folder / "config.json")
    halves = _halves(model)
    safetensors.torch.save_file(halves, folder / "model.safetensors")
    if small:
        _write_detectron2(folder / "detectron2.pkl", halves)
        thinned = _thinned(recorded, _STORED_GRADIENTS)
        np.savez_compressed(folder / "reference.npz", **thinned)
    else:
        np.savez(folder / "reference.npz", **recorded)
    _describe(recorded)


def _write_backbone(folder: pathlib.Path, seed: int) -> None:
    """A ResNet-18 alone, under Hugging Face's and under torchvision's names."""
    folder.mkdir(parents=True, exist_ok=True)
    model = reference_model.build_backbone(18, 4, seed)
    images, _, _ = reference_model.draw_images(1, 64, 32, seed=seed + 1)
    with torch.no_grad():
        states = model.resnet(images, output_hidden_states=True).hidden_states
    features = {
        f"backbone/res{stage}": state.permute(0, 2, 3, 1).contiguous().numpy()
        for stage, state in enumerate(states[1:], start=2)
    }
    images = images.permute(0, 2, 3, 1).contiguous().numpy()
    np.savez_compressed(folder / "reference.npz", images=images, **features)
    halves = _halves(model)
    safetensors.torch.save_file(halves, folder / "hugging_face.safetensors")
    renamed = {authors_names.torchvision(name): value for name, value in halves.items()}
    safetensors.torch.save_file(renamed, folder / "torchvision.safetensors")


def _write_swin(folder: pathlib.Path, seed: int) -> None:
    """A small Mask2Former with a whole Swin-T, whose weights are drawn again."""
    folder.mkdir(parents=True, exist_ok=True)
    model = reference_model.build(_SMALL_SWIN, seed)
    images, masks, classes = reference_model.draw_images(*_SMALL_SIZE, seed=seed + 1)
    recorded = recorder.record(model, images, masks, classes, seed=seed + 2)
    _describe(recorded)
    recorded = _thinned(recorded, _STORED_SWIN_GRADIENTS)
    recorded = {k: v for k, v in recorded.items() if not k.startswith(_LEFT_OUT)}
    images, _, _ = reference_model.draw_images(*_ODD_SIZE, seed=seed + 3)
    with torch.no_grad():
        found = model.model.pixel_level_module.encoder(images).feature_maps
    features = {f"odd/res{stage}": map_ for stage, map_ in enumerate(found, start=2)}
    for name, value in {"odd/images": images, **features}.items():
        recorded[name] = value.permute(0, 2, 3, 1).contiguous().numpy()
    np.savez_compressed(folder / "reference.npz", seed=seed, **recorded)
    shapes = reference_model.shapes_of(model)
    (folder / "shapes.json").write_text(json.dumps(shapes, indent=0) + "\n")


def _halves(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Exact: the weights were rounded to float16 values when they were drawn."""
    return {name: t.half().contiguous() for name, t in model.state_dict().items()}


def _thinned(
    recorded: dict[str, np.ndarray], endings: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Without the gradients of other names."""
    return {
        name: value
        for name, value in recorded.items()
        if not name.startswith("gradient/") or name.endswith(endings)
    }


def _write_detectron2(path: pathlib.Path, halves: dict[str, torch.Tensor]) -> None:
    """The same weights as the authors' checkpoints hold them."""
    state = {name: tensor.numpy() for name, tensor in halves.items()}
    content = {"model": authors_names.rename(state), "__author__": "parity fixture"}
    path.write_bytes(pickle.dumps(content, protocol=4))


def _describe(recorded: dict[str, np.ndarray]) -> None:
    """Prints what tells a meaningful comparison from a degenerate one."""
    for name in ("class_logits", "mask_logits"):
        value = recorded[name]
        print(f"{name}: deviation {value.std():.2f}, mean {value.mean():+.2f}")
    for index in range(len(recorded["class_logits"]) - 1):
        blocked = recorded[f"blocked/{index}"]  # [B, Q, S]
        free = int((~blocked.any(axis=-1)).sum())
        print(
            f"block {index}: {blocked.mean():.0%} of the pixels blocked, "
            f"{free} of {blocked[..., 0].size} queries see everything"
        )
    losses = ", ".join(
        f"{term} {recorded[f'loss/{term}'].sum():.3f}" for term in recorder.TERMS
    )
    print(f"losses: {losses}")


if __name__ == "__main__":
    sys.exit(main())
