"""EfficientNet-Lite: EfficientNet (Tan and Le 2019) for small machines.

It has no squeeze-and-excitation and ReLU6 for swish, and its stem is as wide in every
size; so are the first and the last group of blocks as deep.
"""

import dataclasses
import functools
import math

import keras
import tensorflow as tf

from model import config, image_sections
from model.network import convolution, normalization, shapes, staged

PIXELS = image_sections.PixelStatistics(
    mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)
)
STEM_CHANNELS = 32
EPSILON = 1e-3
# Factors of the channels and of the number of blocks.
_SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite2": (1.1, 1.2)}
NAMES = tuple(_SCALES)


@dataclasses.dataclass(frozen=True)
class BlockSize:
    """Sizes of an inverted residual block.

    Attributes:
        kernel_size, stride: of the depthwise convolution.
        expansion: how many times as many channels are inside as come in.
        channels: that come out.
        in_channels: that come in.
    """

    kernel_size: int
    stride: int
    expansion: int
    channels: int
    in_channels: int = STEM_CHANNELS


# Blocks of equal size that follow each other, before scaling (paper, table 1): how
# many, and the size of the first; the others have no stride.
_GROUPS = (
    (1, BlockSize(3, 1, 1, 16)),
    (2, BlockSize(3, 2, 6, 24)),
    (2, BlockSize(5, 2, 6, 40)),
    (3, BlockSize(3, 2, 6, 80)),
    (3, BlockSize(5, 1, 6, 112)),
    (4, BlockSize(5, 2, 6, 192)),
    (1, BlockSize(3, 1, 6, 320)),
)
_LAST_GROUPS = (1, 2, 4, 6)  # of the stages at strides 4, 8, 16 and 32
_CHANNELS_STEP = 8


@functools.cache
def stage_sizes(name: str) -> tuple[dict[int, BlockSize], ...]:
    """Blocks of the four stages by their numbers, which go on from stage to stage."""
    width, depth = _SCALES[name]
    stages: list[dict[int, BlockSize]] = [{}]
    number, channels = 0, STEM_CHANNELS
    for index, (count, size) in enumerate(_GROUPS):
        if 0 < index < len(_GROUPS) - 1:
            count = math.ceil(count * depth)
        for repeat in range(count):
            block = dataclasses.replace(
                size,
                stride=1 if repeat else size.stride,
                channels=_scaled(size.channels, width),
                in_channels=channels,
            )
            stages[-1][number] = block
            number, channels = number + 1, block.channels
        if index in _LAST_GROUPS[:-1]:
            stages.append({})
    return tuple(stages)


def _scaled(channels: int, factor: float) -> int:
    """The nearest multiple of 8 that takes away no more than a tenth."""
    wanted = channels * factor
    rounded = int(wanted / _CHANNELS_STEP + 0.5) * _CHANNELS_STEP
    return rounded if rounded >= 0.9 * wanted else rounded + _CHANNELS_STEP


@keras.saving.register_keras_serializable(package="mask2former")
class EfficientNetLite(staged.StagedBackbone):
    """Image features at strides 4, 8, 16 and 32.

    Call arguments:
        images: float [B, H, W, 3], normalised RGB, H and W multiples of 32.

    Returns:
        Tuple of four float [B, H/s, W/s, C_s], s = 4, 8, 16, 32; they are linear, with
        values of either sign.
    """

    def __init__(self, architecture: str, norm: str, trained_stages: int = 5, **kwargs):
        super().__init__(**kwargs)
        self.architecture = architecture
        self.norm = norm
        self.trained_stages = trained_stages
        self.stem = Stem(norm, name="stem", dtype=self.dtype_policy)
        self.stages = [
            Stage(sizes, norm, name=f"stage_{number}", dtype=self.dtype_policy)
            for number, sizes in enumerate(stage_sizes(architecture), start=1)
        ]
        self.freeze_all_but(trained_stages)

    @classmethod
    def from_settings(
        cls, settings: config.BackboneConfig, **kwargs
    ) -> "EfficientNetLite":
        """Builds the layer a configuration asks for."""
        return cls(settings.name, settings.norm, settings.trained_stages, **kwargs)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "architecture": self.architecture,
            "norm": self.norm,
            "trained_stages": self.trained_stages,
        }


class Stem(keras.layers.Layer):
    """3x3 convolution of stride 2."""

    def __init__(self, norm: str, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.conv = convolution.Convolution(
            STEM_CHANNELS, 3, 2, padding="same", name="conv", dtype=policy
        )
        self.norm = normalization.backbone_norm(
            norm, STEM_CHANNELS, EPSILON, name="norm", dtype=policy
        )

    def build(self, images_shape: shapes.Shape) -> None:
        self.conv.build(images_shape)
        self.norm.build(shapes.with_channels(images_shape, STEM_CHANNELS))

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        pixels = convolution.normalised(self.conv, self.norm, images, training)
        return tf.nn.relu6(pixels)


class Stage(keras.layers.Layer):
    """Blocks whose last makes the features of one stride."""

    def __init__(self, sizes: dict[int, BlockSize], norm: str, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [
            InvertedResidual(
                size, norm, name=f"block_{number}", dtype=self.dtype_policy
            )
            for number, size in sizes.items()
        ]
        self.channels = self.blocks[-1].size.channels

    def build(self, pixels_shape: shapes.Shape) -> None:
        for block in self.blocks:
            block.build(pixels_shape)
            pixels_shape = shapes.with_channels(pixels_shape, block.size.channels)

    def call(self, pixels: tf.Tensor, training: bool = False) -> tf.Tensor:
        for block in self.blocks:
            pixels = block(pixels, training=training)
        return pixels


class InvertedResidual(keras.layers.Layer):
    """1x1 to more channels, depthwise, 1x1 to fewer, added to what came if it fits.

    Call arguments:
        pixels: float [B, H, W, C].

    Returns:
        float [B, ceil(H / stride), ceil(W / stride), channels].
    """

    def __init__(self, size: BlockSize, norm: str, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        inside = size.in_channels * size.expansion
        self.conv_expand, self.norm_expand = None, None
        if size.expansion > 1:
            self.conv_expand = self._conv("expand", inside)
            self.norm_expand = self._norm("expand", norm, inside)
        self.conv_depthwise = convolution.DepthwiseConvolution(
            size.kernel_size,
            size.stride,
            name="conv_depthwise",
            dtype=self.dtype_policy,
        )
        self.norm_depthwise = self._norm("depthwise", norm, inside)
        self.conv_project = self._conv("project", size.channels)
        self.norm_project = self._norm("project", norm, size.channels)

    def _conv(self, name: str, channels: int) -> convolution.Convolution:
        return convolution.Convolution(
            channels, 1, name=f"conv_{name}", dtype=self.dtype_policy
        )

    def _norm(self, name: str, kind: str, channels: int) -> keras.layers.Layer:
        return normalization.backbone_norm(
            kind, channels, EPSILON, name=f"norm_{name}", dtype=self.dtype_policy
        )

    def build(self, pixels_shape: shapes.Shape) -> None:
        shape = pixels_shape
        if self.conv_expand and self.norm_expand:
            self.conv_expand.build(shape)
            shape = shapes.with_channels(shape, self.conv_expand.channels)
            self.norm_expand.build(shape)
        self.conv_depthwise.build(shape)
        self.norm_depthwise.build(shape)
        self.conv_project.build(shape)
        self.norm_project.build(shapes.with_channels(shape, self.conv_project.channels))

    def call(self, pixels: tf.Tensor, training: bool = False) -> tf.Tensor:
        inside = pixels
        if self.conv_expand:
            layers = self.conv_expand, self.norm_expand
            inside = tf.nn.relu6(convolution.normalised(*layers, inside, training))
        layers = self.conv_depthwise, self.norm_depthwise
        inside = tf.nn.relu6(convolution.normalised(*layers, inside, training))
        layers = self.conv_project, self.norm_project
        outputs = convolution.normalised(*layers, inside, training)
        fits = self.size.stride == 1 and self.size.in_channels == self.size.channels
        return outputs + pixels if fits else outputs
