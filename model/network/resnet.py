"""ResNet (He et al. 2015) with the stride in the 3x3 convolution."""

import keras
import tensorflow as tf

from model import config, image_sections
from model.network import convolution, normalization, shapes, staged

PIXELS = image_sections.IMAGENET_PIXELS
_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_STRIDES = (1, 2, 2, 2)


@keras.saving.register_keras_serializable(package="mask2former")
class ResNet(staged.StagedBackbone):
    """Image features at strides 4, 8, 16 and 32.

    Call arguments:
        images: float [B, H, W, 3], normalised RGB, H and W multiples of 32.

    Returns:
        Tuple of four float [B, H/s, W/s, C_s], s = 4, 8, 16, 32 (res2 to res5).
    """

    def __init__(
        self,
        depth: int,
        stem_width: int,
        norm: str,
        trained_stages: int = 5,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.depth = depth
        self.stem_width = stem_width
        self.norm = norm
        self.trained_stages = trained_stages
        self.stem = Stem(stem_width, norm, name="stem", dtype=self.dtype_policy)
        block = BottleneckBlock if depth >= 50 else BasicBlock
        self.stages = [
            Stage(
                block,
                count,
                stem_width * 2**index,
                stride,
                norm,
                name=f"res{index + 2}",
                dtype=self.dtype_policy,
            )
            for index, (count, stride) in enumerate(
                zip(_BLOCKS[depth], _STRIDES, strict=True)
            )
        ]
        self.freeze_all_but(trained_stages)

    @classmethod
    def from_settings(cls, settings: config.BackboneConfig, **kwargs) -> "ResNet":
        """Builds the layer a configuration asks for."""
        return cls(**settings.model_dump(exclude={"name", "drop_path"}), **kwargs)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            "depth": self.depth,
            "stem_width": self.stem_width,
            "norm": self.norm,
            "trained_stages": self.trained_stages,
        }


class Stem(keras.layers.Layer):
    """7x7 convolution and 3x3 max-pooling, each of stride 2."""

    def __init__(self, channels: int, norm: str, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.conv = convolution.Convolution(channels, 7, 2, name="conv", dtype=policy)
        self.norm = normalization.backbone_norm(
            norm, channels, name="norm", dtype=policy
        )

    def build(self, images_shape: shapes.Shape) -> None:
        self.conv.build(images_shape)
        self.norm.build(shapes.with_channels(images_shape, self.conv.channels))

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        pixels = tf.nn.relu(
            convolution.normalised(self.conv, self.norm, images, training)
        )
        # Zeros equal minus infinity here: nothing is below zero after the ReLU.
        padded = tf.pad(pixels, [[0, 0], [1, 1], [1, 1], [0, 0]])
        return tf.nn.max_pool2d(padded, 3, 2, "VALID")


class Stage(keras.layers.Layer):
    """Residual blocks of one resolution; the first changes size and channels."""

    def __init__(
        self,
        block: type["BasicBlock"] | type["BottleneckBlock"],
        num_blocks: int,
        width: int,
        stride: int,
        norm: str,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = width * block.EXPANSION
        self.blocks = [
            block(
                width,
                stride if index == 0 else 1,
                norm,
                has_projection=index == 0 and (stride > 1 or block.EXPANSION > 1),
                name=f"block_{index}",
                dtype=self.dtype_policy,
            )
            for index in range(num_blocks)
        ]

    def build(self, pixels_shape: shapes.Shape) -> None:
        for block in self.blocks:
            block.build(pixels_shape)
            pixels_shape = shapes.with_channels(pixels_shape, self.channels)

    def call(self, pixels: tf.Tensor, training: bool = False) -> tf.Tensor:
        for block in self.blocks:
            pixels = block(pixels, training=training)
        return pixels


class _Block(keras.layers.Layer):
    """Convolutions with norms, added to a shortcut that is projected if it must be.

    Attributes:
        LAYERS: of each convolution, how many times `width` its channels are, its kernel
            size and whether it has the block's stride.
    """

    EXPANSION = 1
    LAYERS: tuple[tuple[int, int, bool], ...] = ()

    def __init__(
        self,
        width: int,
        stride: int,
        norm: str,
        has_projection: bool,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.convs, self.norms = [], []
        for index, (times, size, strided) in enumerate(self.LAYERS, start=1):
            step = stride if strided else 1
            conv, layer_norm = self._pair(times * width, size, step, norm, str(index))
            self.convs.append(conv)
            self.norms.append(layer_norm)
        self.shortcut_conv, self.shortcut_norm = None, None
        if has_projection:
            self.shortcut_conv, self.shortcut_norm = self._pair(
                width * self.EXPANSION, 1, stride, norm, "shortcut"
            )

    def _pair(
        self, channels: int, size: int, stride: int, norm: str, name: str
    ) -> tuple[convolution.Convolution, keras.layers.Layer]:
        policy = self.dtype_policy
        conv = convolution.Convolution(
            channels, size, stride, name=f"conv_{name}", dtype=policy
        )
        layer_norm = normalization.backbone_norm(
            norm, channels, name=f"norm_{name}", dtype=policy
        )
        return conv, layer_norm

    def build(self, pixels_shape: shapes.Shape) -> None:
        shape = pixels_shape
        for conv, norm in zip(self.convs, self.norms, strict=True):
            conv.build(shape)
            shape = shapes.with_channels(shape, conv.channels)
            norm.build(shape)
        if self.shortcut_conv and self.shortcut_norm:
            self.shortcut_conv.build(pixels_shape)
            self.shortcut_norm.build(shape)

    def call(self, pixels: tf.Tensor, training: bool = False) -> tf.Tensor:
        shortcut = pixels
        if self.shortcut_conv:
            layers = self.shortcut_conv, self.shortcut_norm
            shortcut = convolution.normalised(*layers, pixels, training)
        last = len(self.convs) - 1
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            pixels = convolution.normalised(conv, norm, pixels, training)
            if index < last:
                pixels = tf.nn.relu(pixels)
        return tf.nn.relu(pixels + shortcut)


class BasicBlock(_Block):
    """Two 3x3 convolutions (ResNet-18 and 34)."""

    LAYERS = ((1, 3, True), (1, 3, False))


class BottleneckBlock(_Block):
    """1x1, 3x3, 1x1 convolutions (ResNet-50 and 101)."""

    EXPANSION = 4
    LAYERS = ((1, 1, False), (1, 3, True), (4, 1, False))
