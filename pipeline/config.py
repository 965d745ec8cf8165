"""The configuration: one frozen, checked model per concern."""

import json
from typing import Annotated, Literal

import pydantic

from pipeline import config_section, data_config, kubeflow_config, run_config

Section = config_section.Section
RunConfig = run_config.RunConfig
DataConfig = data_config.DataConfig
Fraction = config_section.Fraction
PositiveInt = config_section.PositiveInt
NonNegativeInt = config_section.NonNegativeInt
PositiveFloat = config_section.PositiveFloat
NonNegativeFloat = config_section.NonNegativeFloat


class BackboneConfig(Section):
    """ResNet; `stem_width` 64 is the published width.

    Attributes:
        norm: `frozen_batch` keeps pretrained statistics (the paper's choice); `batch`
            and `group` are for training from scratch.
        trained_stages: how many of the five stages (stem, 1..4) are trained, counted
            from the last; 5 trains all, 0 none.
    """

    depth: Literal[18, 34, 50, 101] = 50
    stem_width: PositiveInt = 64
    norm: Literal["frozen_batch", "batch", "group"] = "frozen_batch"
    trained_stages: Annotated[int, pydantic.Field(ge=0, le=5)] = 5


class PixelDecoderConfig(Section):
    """Multi-scale deformable attention encoder and the FPN level above it."""

    channels: PositiveInt = 256
    num_encoder_layers: NonNegativeInt = 6
    num_heads: PositiveInt = 8
    num_points: PositiveInt = 4
    feedforward_channels: PositiveInt = 1024
    norm_groups: PositiveInt = 32


class DecoderConfig(Section):
    """Masked-attention transformer decoder; `num_layers: 9` builds nine."""

    channels: PositiveInt = 256
    num_queries: PositiveInt = 100
    num_layers: PositiveInt = 9
    num_heads: PositiveInt = 8
    feedforward_channels: PositiveInt = 2048
    mask_channels: PositiveInt = 256


class ModelConfig(Section):
    """The network."""

    backbone: BackboneConfig = BackboneConfig()
    pixel_decoder: PixelDecoderConfig = PixelDecoderConfig()
    decoder: DecoderConfig = DecoderConfig()

    @pydantic.model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        for name, divisor in (
            ("pixel_decoder.num_heads", self.pixel_decoder.num_heads),
            ("pixel_decoder.norm_groups", self.pixel_decoder.norm_groups),
        ):
            if self.pixel_decoder.channels % divisor:
                raise ValueError(
                    f"pixel_decoder.channels {self.pixel_decoder.channels} is not "
                    f"divisible by {name} {divisor}"
                )
        if self.pixel_decoder.channels % 4 or self.decoder.channels % 4:
            raise ValueError(
                "pixel_decoder.channels and decoder.channels must be multiples of 4 "
                "(sine and cosine of two axes)"
            )
        if self.decoder.channels % self.decoder.num_heads:
            raise ValueError(
                f"decoder.channels {self.decoder.channels} is not divisible by "
                f"decoder.num_heads {self.decoder.num_heads}"
            )
        return self


class LossConfig(Section):
    """Weights of the loss terms, equally of the matching costs (paper, section 4.1)."""

    class_weight: NonNegativeFloat = 2.0
    mask_weight: NonNegativeFloat = 5.0
    dice_weight: NonNegativeFloat = 5.0
    no_object_weight: NonNegativeFloat = 0.1
    num_points: PositiveInt = 12544
    oversample_ratio: Annotated[float, pydantic.Field(ge=1.0)] = 3.0
    importance_ratio: Fraction = 0.75


class ColourJitterConfig(Section):
    """How far colours are changed; a change of 0 is never made.

    Attributes:
        brightness, contrast, saturation: the factor is drawn from 1 - x to 1 + x.
        hue: the shift is drawn from -x to x, where 1 is once round the colour circle.
        probability: of each of the four, by itself.
    """

    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    hue: Annotated[float, pydantic.Field(ge=0.0, le=0.5)] = 0.0
    probability: Fraction = 0.5


class AugmentConfig(Section):
    """Large-scale jitter, flip and a fixed square crop of `crop_size` pixels."""

    crop_size: PositiveInt = 1024
    min_scale: PositiveFloat = 0.1
    max_scale: PositiveFloat = 2.0
    flip_probability: Fraction = 0.5
    colour_jitter: ColourJitterConfig = ColourJitterConfig()

    @pydantic.model_validator(mode="after")
    def _check(self) -> "AugmentConfig":
        if self.min_scale > self.max_scale:
            raise ValueError(
                f"min_scale {self.min_scale} is larger than max_scale {self.max_scale}"
            )
        if self.crop_size % 32:
            raise ValueError(f"crop_size {self.crop_size} is not a multiple of 32")
        return self


class TrainConfig(Section):
    """The recipe.

    Attributes:
        batch_size: images per optimizer step, over all replicas and micro-batches.
        micro_batches: the batch is computed in this many parts of equal size.
        schedule: `step` multiplies the rate by 0.1 at `milestones` (fractions of
            `steps`); `cosine` falls to 0.
        max_instances: instances per image kept for training, the rest is dropped.
        repeat_threshold: an image with a class that is in a smaller fraction of the
            images than this is seen more often; 0 shows every image once an epoch.
        shuffle_images: images that are shuffled at a time and kept in memory, encoded.
        init_from: a file that `m2f weights convert` wrote, to start from; None starts
            from random weights.
    """

    steps: PositiveInt = 368_750
    batch_size: PositiveInt = 16
    micro_batches: PositiveInt = 1
    max_instances: PositiveInt = 100
    keep_empty_images: bool = True
    repeat_threshold: Fraction = 0.0
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig()
    learning_rate: PositiveFloat = 1e-4
    backbone_lr_multiplier: NonNegativeFloat = 0.1
    weight_decay: NonNegativeFloat = 0.05
    clip_norm: PositiveFloat = 0.01
    warmup_steps: NonNegativeInt = 10
    schedule: Literal["step", "cosine"] = "step"
    milestones: tuple[Fraction, ...] = (0.889, 0.963)
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    xla: bool = False
    distribution: Literal["none", "mirrored", "multi_worker"] = "none"
    checkpoint_steps: PositiveInt = 5_000
    log_steps: PositiveInt = 20
    shuffle_images: PositiveInt = 1_000
    init_from: str | None = None
    seed: int = 0

    @pydantic.model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if self.batch_size % self.micro_batches:
            raise ValueError(
                f"batch_size {self.batch_size} is not divisible by micro_batches "
                f"{self.micro_batches}"
            )
        return self


class EvaluateConfig(Section):
    """What a model must reach to be blessed.

    Attributes:
        min_mask_ap: floor of the COCO mask AP, a fraction.
        min_mask_ap_change: how much the AP may differ from the latest blessed model's;
            -0.01 lets one point be lost, 0.005 asks for half a point more.
        min_class_ap: floors per class name.
        batch_size: images scored at a time.
    """

    min_mask_ap: Fraction = 0.0
    min_mask_ap_change: Annotated[float, pydantic.Field(ge=-1.0, le=1.0)] = -0.01
    min_class_ap: dict[str, Fraction] = {}
    batch_size: PositiveInt = 1


class ServeConfig(Section):
    """The exported model and where it is pushed.

    Attributes:
        max_detections: detections per image, the `top_k` of post-processing.
        validation_requests: eval images the serving validator sends.
    """

    model_name: Annotated[
        str, pydantic.Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    ] = "model"
    max_detections: PositiveInt = 100
    validation_requests: PositiveInt = 3


class PipelineConfig(Section):
    """Everything a run depends on, apart from the data itself."""

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = "custom"
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    serve: ServeConfig = ServeConfig()
    run: RunConfig = RunConfig()
    kubeflow: kubeflow_config.KubeflowConfig = kubeflow_config.KubeflowConfig()

    def to_json(self) -> str:
        """Canonical JSON: equal configurations give equal strings."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)
