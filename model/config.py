"""Settings of the network, its training, its images and its export."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from foundation import config_section
from model import image_sections, train_sections


class BackboneConfig(config_section.Section):
    """What makes features of images.

    Attributes:
        name: `resnet`; EfficientNet-Lite, whose ImageNet weights come along; or Swin.
        depth, stem_width: a ResNet's; a `stem_width` of 64 is the published width.
        norm: `frozen_batch` keeps pretrained statistics (the paper's choice); `batch`
            and `group` are for training from scratch. Swin has layer norms instead.
        trained_stages: how many of the five stages (stem, 1..4) are trained, counted
            from the last; 5 trains all, 0 none.
        drop_path: Swin's alone: how often in training a residual branch of the last
            block is dropped for an image; less often before it, the first never.
    """

    name: Literal[
        "resnet",
        "efficientnet_lite0",
        "efficientnet_lite2",
        "swin_tiny",
        "swin_small",
        "swin_base",
        "swin_large",
    ] = "resnet"
    depth: Literal[18, 34, 50, 101] = 50
    stem_width: config_section.PositiveInt = 64
    norm: Literal["frozen_batch", "batch", "group"] = "frozen_batch"
    trained_stages: Annotated[int, pydantic.Field(ge=0, le=5)] = 5
    drop_path: Annotated[float, pydantic.Field(ge=0.0, lt=1.0)] = 0.0

    @property
    def is_swin(self) -> bool:
        """Whether `norm` says nothing: all norms are layer norms."""
        return self.name.startswith("swin_")

    @pydantic.model_validator(mode="after")
    def _check(self) -> "BackboneConfig":
        if self.drop_path and not self.is_swin:
            raise ValueError(
                f"model.backbone.drop_path {self.drop_path} is Swin's; {self.name} "
                "drops nothing. Leave drop_path out, or set "
                "model.backbone.name=swin_tiny"
            )
        if self.name == "resnet":
            return self
        # A saved configuration has every key: what stands there by itself is no choice.
        fields = type(self).model_fields
        for key in ("depth", "stem_width"):
            value = getattr(self, key)
            if value != fields[key].default:
                raise ValueError(
                    f"model.backbone.{key} {value} is a ResNet's; {self.name} has one "
                    f"size. Leave {key} out, or set model.backbone.name=resnet"
                )
        if self.is_swin and self.norm != fields["norm"].default:
            raise ValueError(
                f"model.backbone.norm {self.norm}: {self.name} has layer norms, which "
                "are trained from any weights. Leave norm out"
            )
        return self


class PixelDecoderConfig(config_section.Section):
    """Multi-scale deformable attention encoder and the FPN level above it."""

    channels: config_section.PositiveInt = 256
    num_encoder_layers: config_section.NonNegativeInt = 6
    num_heads: config_section.PositiveInt = 8
    num_points: config_section.PositiveInt = 4
    feedforward_channels: config_section.PositiveInt = 1024
    norm_groups: config_section.PositiveInt = 32


class DecoderConfig(config_section.Section):
    """Masked-attention transformer decoder; `num_layers: 9` builds nine."""

    channels: config_section.PositiveInt = 256
    num_queries: config_section.PositiveInt = 100
    num_layers: config_section.PositiveInt = 9
    num_heads: config_section.PositiveInt = 8
    feedforward_channels: config_section.PositiveInt = 2048
    mask_channels: config_section.PositiveInt = 256


class ModelConfig(config_section.Section):
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


class TrainConfig(config_section.Section):
    """The recipe.

    Attributes:
        steps, epochs: how long; one of them is given. `steps` is a number or `auto`,
            which follows from the number of training images (`train.length`); `epochs`
            is how often each of them is seen, those that `repeat_threshold` repeats
            counted once. A saved configuration has both keys, one of them null.
        batch_size: images per optimizer step, over all replicas and micro-batches.
        micro_batches: the batch is computed in this many parts of equal size.
        scale_lr_for_batch: the batch size that `learning_rate` is for; another one
            changes the rate in proportion (Goyal et al. 2017). 0 takes the rate as it
            is.
        layer_decay: each stage of the backbone has this many times the rate of the
            stage after it (Clark et al. 2020); the last has `backbone_lr_multiplier`
            times that of the decoders. 1 has one rate for all.
        schedule: after `warmup_steps` of a rate that rises from 0, `step` multiplies it
            by 0.1 at `milestones` (fractions of all steps), `cosine` lets it fall to 0,
            and `constant` leaves it.
        max_instances: instances per image kept for training, the rest is dropped.
        repeat_threshold: an image with a class that is in a smaller fraction of the
            images than this is seen more often; 0 shows every image once an epoch.
        shuffle_images: images that are shuffled at a time and kept in memory, encoded.
        ema_decay: of the moving averages of the weights that are judged and exported
            in their place, such as 0.999; 0 keeps none.
        init_from: what to start from: a file that `m2f weights convert` wrote; a pushed
            model, or the folder of its versions, of which the newest is taken; a
            training's checkpoint, or the folder of them, of which the one judged best
            is taken, else the newest; or `imagenet` for the ImageNet weights that come
            with the program for some backbones. None starts from random weights.
        max_skipped_updates: a batch whose loss or gradient is not finite changes
            nothing; after so many in a row training stops.
    """

    steps: int | Literal["auto"] | None = 368_750
    epochs: config_section.PositiveInt | None = None
    batch_size: config_section.PositiveInt = 16
    micro_batches: config_section.PositiveInt = 1
    max_instances: config_section.PositiveInt = 100
    keep_empty_images: bool = True
    repeat_threshold: config_section.Fraction = 0.0
    augment: train_sections.AugmentConfig = train_sections.AugmentConfig()
    loss: train_sections.LossConfig = train_sections.LossConfig()
    learning_rate: config_section.PositiveFloat = 1e-4
    scale_lr_for_batch: config_section.NonNegativeInt = 0
    backbone_lr_multiplier: config_section.NonNegativeFloat = 0.1
    layer_decay: Annotated[float, pydantic.Field(gt=0.0, le=1.0)] = 1.0
    weight_decay: config_section.NonNegativeFloat = 0.05
    clip_norm: config_section.PositiveFloat = 0.01
    warmup_steps: config_section.NonNegativeInt = 10
    schedule: Literal["step", "cosine", "constant"] = "step"
    milestones: tuple[config_section.Fraction, ...] = (0.889, 0.963)
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    xla: bool = False
    distribution: Literal["none", "mirrored", "multi_worker"] = "none"
    ema_decay: Annotated[float, pydantic.Field(ge=0.0, lt=1.0)] = 0.0
    validation: train_sections.ValidationConfig = train_sections.ValidationConfig()
    checkpoint_steps: config_section.PositiveInt = 5_000
    log_steps: config_section.PositiveInt = 20
    shuffle_images: config_section.PositiveInt = 1_000
    init_from: str | None = None
    max_skipped_updates: config_section.PositiveInt = 10
    seed: int = 0

    @property
    def num_steps(self) -> int:
        """All steps, once it is known how many: see `train.length`.

        Raises:
            TypeError: it is not.
        """
        if isinstance(self.steps, int):
            return self.steps
        raise TypeError(f"train.steps {self.steps} is no number yet")

    @pydantic.field_validator("steps", mode="before")
    @classmethod
    def _check_steps(cls, value: Any) -> Any:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if value is None or value == "auto" or (is_number and value > 0):
            return value
        raise ValueError("steps is a whole number from 1 on, or auto")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _let_epochs_decide(cls, values: Any) -> Any:
        """Epochs alone take the place of the steps that stand there by themselves."""
        if isinstance(values, Mapping) and values.get("epochs") is not None:
            return {"steps": None, **values}
        return values

    @pydantic.model_validator(mode="after")
    def _check(self) -> "TrainConfig":
        if (self.steps is None) == (self.epochs is None):
            found = "neither is given" if self.steps is None else "both are given"
            raise ValueError(
                f"train.steps {self.steps} and train.epochs {self.epochs}: {found}, "
                "and one of them decides. Leave one out, or set it to null where a "
                "preset has it, as in --set train.steps=null"
            )
        if self.batch_size % self.micro_batches:
            raise ValueError(
                f"batch_size {self.batch_size} is not divisible by micro_batches "
                f"{self.micro_batches}"
            )
        return self


class ExportConfig(config_section.Section):
    """The exported model.

    Attributes:
        max_detections: detections per image, the `top_k` of post-processing.
    """

    max_detections: config_section.PositiveInt = 100


class TrainerConfig(config_section.Section):
    """What a training and its export depend on, apart from the data itself."""

    name: str = ""
    data: image_sections.ImageConfig = image_sections.ImageConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    serve: ExportConfig = ExportConfig()

    @pydantic.model_validator(mode="after")
    def _check(self) -> "TrainerConfig":
        check_norm(self.model, self.train)
        return self


# They tell how often something is told or kept, and change no weight.
WITHOUT_EFFECT = ("log_steps", "checkpoint_steps", "max_skipped_updates")


def check_norm(
    network: ModelConfig, recipe: TrainConfig, num_replicas: int = 1
) -> None:
    """Refuses batch statistics over anything but the whole batch.

    Stages that are not trained take none (`backbone.trained_stages`).

    Raises:
        ValueError: gradients would not be those of the batch in one piece.
    """
    parts = recipe.micro_batches * num_replicas
    backbone = network.backbone
    if backbone.norm != "batch" or not backbone.trained_stages or parts == 1:
        return
    raise ValueError(
        f"model.backbone.norm is batch and the batch is computed in {parts} parts "
        f"(train.micro_batches {recipe.micro_batches} x {num_replicas} replicas), each "
        "of which would have statistics and gradients of its own. Set "
        "model.backbone.norm to group, to frozen_batch with train.init_from, or train "
        "the batch in one part"
    )
