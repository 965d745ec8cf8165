"""AdamW (Loshchilov and Hutter 2019) with the groups and schedule of the recipe."""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from model import config

_BETA_1 = 0.9
_BETA_2 = 0.999
_EPSILON = 1e-8
_WITHOUT_DECAY = ("gamma", "beta", "relative_position_bias")
_DECODER_EMBEDDINGS = ("query_features", "query_positions", "level_embedding")


class AdamW(tf.Module):
    """Keeps the moments of every weight and moves the weights.

    Keras' AdamW has one learning rate for all weights and adds epsilon to another
    quantity than the authors' optimizer does.

    Attributes:
        step: int64 variable [], batches seen so far.
        updates: likewise, those of them that moved the weights.
        skipped: likewise, those since the last update that did not.

    Args:
        stages: names of the parts of the backbone, see `group`.
    """

    def __init__(
        self,
        variables: Sequence[keras.Variable],
        settings: config.TrainConfig,
        stages: Sequence[str] = (),
    ):
        super().__init__(name="adamw")
        self.settings = settings
        self._stages = tuple(stages)
        self.step = _counter("step")
        self.updates = _counter("updates")
        self.skipped = _counter("skipped")
        self.first_moments = [_zeros_like(variable) for variable in variables]
        self.second_moments = [_zeros_like(variable) for variable in variables]

    def apply(
        self,
        gradients: Sequence[tf.Tensor],
        variables: Sequence[keras.Variable],
        strategy: tf.distribute.Strategy,
        norm: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Clips the gradients by their global norm and makes one update.

        Args:
            gradients: float32, shapes of the variables, summed over replicas.
            variables: those the optimizer was made for, in the same order.
            norm: of the gradients, if it is known already.

        Returns:
            float32 [], norm of the gradients before clipping.
        """
        found = tf.linalg.global_norm(gradients) if norm is None else norm
        scale = tf.minimum(self.settings.clip_norm / (found + 1e-6), 1.0)
        rate = learning_rate(self.step, self.settings)
        count = tf.cast(self.updates + 1, tf.float32)  # a skip left the moments alone
        powers = (tf.pow(_BETA_1, count), tf.pow(_BETA_2, count))
        for index, (variable, gradient) in enumerate(
            zip(variables, gradients, strict=True)
        ):
            multiplier, decay = group(variable.path, self.settings, self._stages)
            strategy.extended.update(
                variable.value,
                _update,
                args=(
                    self.first_moments[index],
                    self.second_moments[index],
                    gradient * scale,
                    rate * multiplier,
                    decay,
                    *powers,
                ),
            )
        self._count_update()
        return found

    def skip(self) -> None:
        """Counts a batch whose gradients are of no use; weights and moments stay."""
        self.step.assign_add(1)
        self.skipped.assign_add(1)

    def _count_update(self) -> None:
        self.step.assign_add(1)
        self.updates.assign_add(1)
        self.skipped.assign(0)


def learning_rate(step: tf.Tensor, settings: config.TrainConfig) -> tf.Tensor:
    """Rate of the update that follows `step` earlier ones, float32 []."""
    done = tf.cast(step, tf.float32)
    rate = tf.constant(_full_rate(settings))
    if settings.warmup_steps:
        rate *= tf.minimum(1.0, (done + 1.0) / settings.warmup_steps)
    if settings.schedule == "cosine":
        share = tf.minimum(done / settings.num_steps, 1.0)
        return rate * 0.5 * (1.0 + tf.cos(math.pi * share))
    if settings.schedule == "step":
        for milestone in settings.milestones:
            rate *= tf.where(done < milestone * settings.num_steps, 1.0, 0.1)
    return rate


def _full_rate(settings: config.TrainConfig) -> float:
    """The rate after warm-up, in proportion to the batch if that is asked for."""
    if not settings.scale_lr_for_batch:
        return settings.learning_rate
    return settings.learning_rate * settings.batch_size / settings.scale_lr_for_batch


def group(
    path: str, settings: config.TrainConfig, stages: Sequence[str] = ()
) -> tuple[float, float]:
    """Learning-rate multiplier and weight decay of a weight, by its path.

    Normalisation weights, Swin's biases of relative positions and the decoder's query,
    position and level embeddings are not decayed; other biases and the pixel decoder's
    level embedding are.

    Args:
        stages: names of the backbone's parts, the first to see an image first
            (`staged.StagedBackbone.part_names`). What lies in none of them has the rate
            of the last.
    """
    parts = path.split("/")
    is_exempt = parts[-1] in _WITHOUT_DECAY
    is_embedding = "decoder" in parts and parts[-1] in _DECODER_EMBEDDINGS
    decay = 0.0 if is_exempt or is_embedding else settings.weight_decay
    if "backbone" not in parts:
        return 1.0, decay
    part = parts[parts.index("backbone") + 1]
    after = len(stages) - 1 - stages.index(part) if part in stages else 0
    return settings.backbone_lr_multiplier * settings.layer_decay**after, decay


def _update(
    weight: keras.Variable,
    first: tf.Variable,
    second: tf.Variable,
    gradient: tf.Tensor,
    rate: tf.Tensor,
    decay: float,
    power_1: tf.Tensor,
    power_2: tf.Tensor,
) -> None:
    if decay:
        weight.assign(weight * (1.0 - rate * decay))
    # The fused op adds epsilon before the bias correction of the second moment;
    # scaled like this it is the epsilon of the published formula.
    tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=first.handle,
        v=second.handle,
        beta1_power=power_1,
        beta2_power=power_2,
        lr=rate,
        beta1=_BETA_1,
        beta2=_BETA_2,
        epsilon=_EPSILON * tf.sqrt(1.0 - power_2),
        grad=gradient,
    )


def _counter(name: str) -> tf.Variable:
    return tf.Variable(0, trainable=False, dtype=tf.int64, name=name)


def _zeros_like(variable: keras.Variable) -> tf.Variable:
    return tf.Variable(tf.zeros(variable.shape, variable.dtype), trainable=False)
