"""The reference: Hugging Face's Mask2Former in PyTorch, with random weights.

Runs in the environment of requirements/parity.txt. What is random here is spread so
that nothing stays at a value that would hide a difference: batch statistics, norms,
biases and sampling offsets are all drawn, and the logits have both signs.
"""

import dataclasses
import math

import seeded_weights
import torch
import transformers
from torch import nn

_BASIC_DEPTHS = (18, 34)
# Of the authors' configurations: first channels, depths, heads, window.
_SWINS = {
    "swin_tiny": (96, [2, 2, 6, 2], [3, 6, 12, 24], 7),
    "swin_small": (96, [2, 2, 18, 2], [3, 6, 12, 24], 7),
    "swin_base": (128, [2, 2, 18, 2], [4, 8, 16, 32], 12),
    "swin_large": (192, [2, 2, 18, 2], [6, 12, 24, 48], 12),
}
BACKBONES = ("resnet50", *_SWINS)
_STAGES = ["stage1", "stage2", "stage3", "stage4"]
_BLOCKS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of a reference model; the defaults are the published ones.

    Attributes:
        backbone: one of `BACKBONES`; a ResNet has `depth` and `stem_width`.
    """

    backbone: str = "resnet50"
    depth: int = 50
    stem_width: int = 64
    pixel_channels: int = 256
    encoder_layers: int = 6
    encoder_feedforward: int = 1024
    channels: int = 256
    mask_channels: int = 256
    feedforward: int = 2048
    heads: int = 8
    queries: int = 100
    classes: int = 80
    loss_points: int = 12544


def build(sizes: Sizes, seed: int) -> transformers.Mask2FormerForUniversalSegmentation:
    """Makes the model in inference mode, every weight drawn from `seed`.

    Weights are rounded to float16 values: half the bytes then hold them exactly.
    """
    transformers.logging.set_verbosity_error()
    model = transformers.Mask2FormerForUniversalSegmentation(configuration(sizes))
    if sizes.backbone in _SWINS:
        _set_seeded(model, seed)
    else:
        _draw_all(model, seed)
    return model.eval()


def shapes_of(model: nn.Module) -> dict[str, list[int]]:
    """Shapes of all that is learned, by name."""
    return {name: list(weight.shape) for name, weight in model.named_parameters()}


@torch.no_grad()
def _set_seeded(model: nn.Module, seed: int) -> None:
    drawn = seeded_weights.draw(shapes_of(model), seed)
    for name, parameter in model.named_parameters():
        parameter.copy_(torch.from_numpy(drawn[name]))


def configuration(sizes: Sizes) -> transformers.Mask2FormerConfig:
    """The reference's own configuration of these sizes."""
    if sizes.backbone in _SWINS:
        backbone = _swin_config(sizes.backbone)
    else:
        backbone = _backbone_config(sizes.depth, sizes.stem_width)
    names = {index: f"thing {index}" for index in range(sizes.classes)}
    return transformers.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=sizes.pixel_channels,
        mask_feature_size=sizes.mask_channels,
        hidden_dim=sizes.channels,
        encoder_feedforward_dim=sizes.encoder_feedforward,
        encoder_layers=sizes.encoder_layers,
        decoder_layers=10,  # builds nine
        dim_feedforward=sizes.feedforward,
        num_attention_heads=sizes.heads,
        num_queries=sizes.queries,
        id2label=names,
        train_num_points=sizes.loss_points,
    )


def build_backbone(
    depth: int, stem_width: int, seed: int
) -> transformers.ResNetForImageClassification:
    """Makes a classifier in inference mode, its weights drawn likewise."""
    model = transformers.ResNetForImageClassification(
        _backbone_config(depth, stem_width)
    )
    _draw_all(model, seed)
    return model.eval()


def _swin_config(name: str) -> transformers.SwinConfig:
    channels, depths, heads, window = _SWINS[name]
    return transformers.SwinConfig(
        embed_dim=channels,
        depths=depths,
        num_heads=heads,
        window_size=window,
        drop_path_rate=0.0,
        out_features=_STAGES,
    )


def _backbone_config(depth: int, stem_width: int) -> transformers.ResNetConfig:
    widths = [stem_width * 2**stage for stage in range(4)]
    basic = depth in _BASIC_DEPTHS
    return transformers.ResNetConfig(
        embedding_size=stem_width,
        hidden_sizes=widths if basic else [4 * width for width in widths],
        depths=_BLOCKS[depth],
        layer_type="basic" if basic else "bottleneck",
        out_features=_STAGES,
    )


@torch.no_grad()
def _draw_all(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, module in model.named_modules():
        _draw(name, module, generator)
    for name, parameter in model.named_parameters():
        if name.endswith("decoder.level_embed"):
            parameter.copy_(_normal(parameter, 1.0, generator))
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and name != "criterion.empty_weight":
            tensor.copy_(tensor.half().float())


def _draw(name: str, module: nn.Module, generator: torch.Generator) -> None:
    """Draws the weights of one layer."""
    if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
        # The last norm of a residual block is small, or the sum grows with depth.
        last = name.endswith(("layer.2.normalization", "layer.1.normalization"))
        scale = 0.5 if last else 1.0
        module.weight.copy_(scale * _uniform(module.weight, 0.7, 1.3, generator))
        module.bias.copy_(_normal(module.bias, 0.2, generator))
        if isinstance(module, nn.BatchNorm2d):
            mean, variance = module.running_mean, module.running_var
            mean.copy_(_normal(mean, 0.2, generator))
            variance.copy_(_uniform(variance, 0.6, 1.4, generator))
    elif isinstance(module, nn.Embedding):
        module.weight.copy_(_normal(module.weight, 1.0, generator))
    elif isinstance(module, nn.MultiheadAttention):
        deviation = 1.0 / math.sqrt(module.embed_dim)
        weight, bias = module.in_proj_weight, module.in_proj_bias
        weight.copy_(_normal(weight, deviation, generator))
        bias.copy_(_normal(bias, 0.1, generator))
    elif isinstance(module, nn.Linear | nn.Conv2d):
        fan_in = module.weight[0].numel()
        deviation = _gain(name) / math.sqrt(fan_in)
        module.weight.copy_(_normal(module.weight, deviation, generator))
        if module.bias is not None:
            # Sampling offsets keep the ring that they start from.
            start = module.bias if name.endswith("sampling_offsets") else 0.0
            module.bias.copy_(start + _normal(module.bias, 0.1, generator))


def _gain(name: str) -> float:
    """How much larger than 1 / sqrt(fan_in) a layer's weights are."""
    if name.endswith("convolution"):
        return math.sqrt(2.0)  # a ReLU follows
    if name == "class_predictor":
        return 2.0
    if name.endswith(("self_attn.out_proj", "cross_attn.out_proj", "fc2")):
        return 0.5  # or all queries become alike, and their masks empty
    return 1.0


def _normal(
    like: torch.Tensor, deviation: float, generator: torch.Generator
) -> torch.Tensor:
    return deviation * torch.randn(like.shape, generator=generator)


def _uniform(
    like: torch.Tensor, low: float, high: float, generator: torch.Generator
) -> torch.Tensor:
    return low + (high - low) * torch.rand(like.shape, generator=generator)


def draw_images(
    count: int, height: int, width: int, seed: int
) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
    """Draws smooth images with noise, and elliptical ground truth.

    Returns:
        float32 [B, 3, H, W]; per image float32 [n, H, W] masks in {0, 1} and int64 [n]
        class indices 0..2, n = 3 for the first image, 2 for the second and so on.
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn([count, 3, height // 16, width // 16], generator=generator)
    images = nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    images += 0.3 * torch.randn(images.shape, generator=generator)
    rows = torch.arange(height)[:, None] / height
    columns = torch.arange(width)[None] / width
    masks, classes = [], []
    for image in range(count):
        number = max(3 - image, 1)
        shapes = 0.1 + 0.3 * torch.rand([number, 2], generator=generator)
        centres = 0.2 + 0.6 * torch.rand([number, 2], generator=generator)
        inside = [
            ((rows - y) / b) ** 2 + ((columns - x) / a) ** 2 < 1.0
            for (y, x), (b, a) in zip(centres, shapes, strict=True)
        ]
        masks.append(torch.stack(inside).float())
        classes.append(torch.randint(3, [number], generator=generator))
    return images, masks, classes
