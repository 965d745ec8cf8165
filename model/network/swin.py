"""Swin Transformer (Liu et al. 2021, arXiv 2103.14030), as Mask2Former uses it.

Its layers are the paper's; a layer norm of its own stands after each of the four
features, and maps of any size are padded to whole windows.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from model import config, image_sections
from model.network import (
    convolution,
    initializers,
    normalization,
    shapes,
    staged,
    swin_block,
    window_attention,
)

PIXELS = image_sections.IMAGENET_PIXELS
PATCH = 4


@dataclasses.dataclass(frozen=True)
class Size:
    """A published size.

    Attributes:
        channels: of the first stage; each stage has twice those of the one before.
        depths, heads: blocks of each stage, and heads of their attention.
        window: pixels a side.
    """

    channels: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int


# Base and large have the window they were trained with at 384 pixels.
SIZES = {
    "swin_tiny": Size(96, (2, 2, 6, 2), (3, 6, 12, 24), 7),
    "swin_small": Size(96, (2, 2, 18, 2), (3, 6, 12, 24), 7),
    "swin_base": Size(128, (2, 2, 18, 2), (4, 8, 16, 32), 12),
    "swin_large": Size(192, (2, 2, 18, 2), (6, 12, 24, 48), 12),
}


@keras.saving.register_keras_serializable(package="mask2former")
class Swin(staged.StagedBackbone):
    """Image features at strides 4, 8, 16 and 32.

    Call arguments:
        images: float [B, H, W, 3], normalised RGB, of any size.
        kept: bool [B, branches], which residual branches of which image are kept; drawn
            with `keep_rates` in training. None keeps all.

    Returns:
        Tuple of four float [B, H/s, W/s, C_s], sides rounded up, s = 4, 8, 16, 32.
    """

    def __init__(
        self,
        channels: int,
        depths: tuple[int, ...],
        heads: tuple[int, ...],
        window: int,
        trained_stages: int = 5,
        drop_path: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.size = Size(channels, tuple(depths), tuple(heads), window)
        self.trained_stages = trained_stages
        self.drop_path = drop_path
        self.stem = Stem(channels, name="stem", dtype=self.dtype_policy)
        rates = 1.0 - np.linspace(0.0, drop_path, sum(depths))
        parts = np.split(rates, np.cumsum(depths)[:-1])
        self.stages = [
            Stage(
                channels * 2**index,
                heads[index],
                window,
                tuple(map(float, part)),
                has_merging=index > 0,
                name=f"stage_{index + 1}",
                dtype=self.dtype_policy,
            )
            for index, part in enumerate(parts)
        ]
        if drop_path:
            self.keep_rates = tuple(map(float, np.repeat(rates, 2)))
        self.freeze_all_but(trained_stages)

    @classmethod
    def from_settings(cls, settings: config.BackboneConfig, **kwargs) -> "Swin":
        """Builds the layer a configuration asks for."""
        size = SIZES[settings.name]
        return cls(
            size.channels,
            size.depths,
            size.heads,
            size.window,
            settings.trained_stages,
            settings.drop_path,
            **kwargs,
        )

    def call(
        self,
        images: tf.Tensor,
        training: bool = False,
        kept: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, ...]:
        pixels = self.stem(images, training=training)
        features, first = [], 0
        for stage, depth in zip(self.stages, self.size.depths, strict=True):
            part = None if kept is None else kept[:, first : first + 2 * depth]
            first += 2 * depth
            pixels = stage(pixels, part, training=training)
            features.append(swin_block.normalised(stage.norm, pixels, training))
        return tuple(features)

    def get_config(self) -> dict[str, object]:
        return {
            **super().get_config(),
            **dataclasses.asdict(self.size),
            "trained_stages": self.trained_stages,
            "drop_path": self.drop_path,
        }


class Stem(keras.layers.Layer):
    """Patches of 4x4 pixels as tokens."""

    def __init__(self, channels: int, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.conv = convolution.Convolution(
            channels,
            PATCH,
            PATCH,
            use_bias=True,
            kernel_initializer=initializers.linear_kernel(),
            padding="same",
            name="conv",
            dtype=policy,
        )
        self.norm = normalization.LayerNorm(name="norm", dtype=policy)

    def build(self, images_shape: shapes.Shape) -> None:
        self.conv.build(images_shape)
        self.norm.build(shapes.with_channels(images_shape, self.conv.channels))

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        # "Same" would put half of the zeros above and to the left.
        whole = window_attention.padded_to(images, PATCH)
        return swin_block.normalised(self.norm, self.conv(whole), training)


class Stage(keras.layers.Layer):
    """Blocks of one resolution, every second with shifted windows.

    Attributes:
        norm: of the features; the next stage gets the pixels without it.

    Call arguments:
        pixels: float [B, H, W, C'].
        kept: bool [B, 2 * blocks], or None to keep all.

    Returns:
        float [B, H, W, C], or of half the size rounded up if it merges.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        window: int,
        keep_rates: tuple[float, ...],
        has_merging: bool,
        **kwargs,
    ):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.channels = channels
        self.window = window
        self.shift = window // 2
        self.merging = None
        if has_merging:
            self.merging = swin_block.Merging(channels, name="merging", dtype=policy)
        self.blocks = [
            swin_block.Block(
                channels,
                num_heads,
                window,
                self.shift if index % 2 else 0,
                rate,
                name=f"block_{index}",
                dtype=policy,
            )
            for index, rate in enumerate(keep_rates)
        ]
        self.norm = normalization.LayerNorm(name="norm", dtype=policy)

    def build(self, pixels_shape: shapes.Shape) -> None:
        if self.merging:
            self.merging.build(pixels_shape)
        shape = shapes.with_channels(pixels_shape, self.channels)
        for layer in (*self.blocks, self.norm):
            layer.build(shape)

    def call(
        self,
        pixels: tf.Tensor,
        kept: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        if self.merging:
            pixels = self.merging(pixels, training=training)
        apart = window_attention.apart_by_shift(
            *window_attention.sides(pixels), self.window, self.shift
        )  # of all blocks of the stage
        for index, block in enumerate(self.blocks):
            part = None if kept is None else kept[:, 2 * index : 2 * index + 2]
            pixels = block(pixels, apart, part, training=training)
        return pixels
