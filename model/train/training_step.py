"""One update: forward, matching, losses, gradients, over replicas and micro-batches."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from foundation import errors
from model import config
from model.kernels import compute_target
from model.loss import criterion, matcher
from model.train import averages, cost, optimizer

# Nothing here branches on tensors in Python, and to look for that in all of the code
# that is called takes a quarter of the time of tracing.
_graph = functools.partial(tf.function, autograph=False)
Batch = dict[str, tf.Tensor]
_DROPPED_BRANCHES = 5  # `criterion.draw_points` splits the seed into five, from 0
_STATISTICS = ("moving_mean", "moving_variance")


class Computed(NamedTuple):
    """What a batch asks for; nothing has been changed yet.

    Attributes:
        gradients: float32, shapes of the trainable variables.
        statistics: float32, new values of what batch normalisation keeps.
        metrics: `class`, `mask` and `dice` losses, float32 [L]; `nonfinite_costs`
            int32 []; `gradient_norm` and `learning_rate` float32 []; `is_sound`
            bool [], whether all of it is finite, the same on every replica.
    """

    gradients: list[tf.Tensor]
    statistics: list[tf.Tensor]
    metrics: dict[str, tf.Tensor]


class TrainingStep:
    """Makes one optimizer update from one effective batch, if that is of use.

    The batch is cut into equal parts, one micro-batch after the other on every
    replica. Loss sums are divided by counts of the whole batch, so the gradients of
    the parts add up to those of the batch in one piece.

    Args:
        class_weights: in the class loss, see `balance.class_weights`.
    """

    def __init__(
        self,
        model: keras.Model,
        model_optimizer: optimizer.AdamW,
        settings: config.TrainConfig,
        strategy: tf.distribute.Strategy,
        averaged: averages.Averages | None = None,
        class_weights: Sequence[float] = (),
        meter: cost.Meter | None = None,
    ):
        self._model = model
        self._class_weights = tuple(class_weights)
        self._solver = meter.matching(matcher.solve) if meter else matcher.solve
        self._averages = averaged
        self._optimizer = model_optimizer
        self._settings = settings
        self._strategy = strategy
        parts = strategy.num_replicas_in_sync * settings.micro_batches
        if settings.batch_size % parts:
            raise errors.ConfigError(
                f"train.batch_size {settings.batch_size} is not divisible by "
                f"{strategy.num_replicas_in_sync} replicas x "
                f"{settings.micro_batches} micro-batches = {parts}. Change one of them."
            )
        _check_norm(model, settings, strategy)
        self._part_size = settings.batch_size // parts
        self._num_queries = model.model_config.decoder.num_queries
        self._num_predictions = model.model_config.decoder.num_layers + 1
        self._statistics = statistics_of(model)
        jit = {"jit_compile": True} if settings.xla else {}
        self._forward = _graph(self._predict, **jit)
        self._cost = _graph(criterion.matching_costs, **jit)
        self._losses = _graph(criterion.loss_terms, **jit)
        self.compute = _graph(self._compute)
        self.apply = _graph(self._apply)
        self.skip = _graph(model_optimizer.skip)

    def compute_for(
        self, batch_spec: Mapping[str, tf.TensorSpec]
    ) -> Callable[[Batch], Computed]:
        """`compute` for one kind of batch: traced once, whatever sizes are left open.

        Args:
            batch_spec: `element_spec` of the dataset.
        """
        return _graph(self._compute, input_signature=[batch_spec])

    def update(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Computes, and applies what is sound.

        Args:
            batch: see `dataset.train_dataset`.

        Returns:
            The metrics of `Computed`.
        """
        computed = self.compute(batch)
        self.finish(computed)
        return computed.metrics

    def finish(self, computed: Computed) -> bool:
        """Applies what is sound and counts the batch; whether it was."""
        is_sound = bool(computed.metrics["is_sound"])
        if is_sound:
            self.apply(computed)
        else:
            self.skip()
        return is_sound

    def _compute(self, batch: Batch) -> Computed:
        rate = optimizer.learning_rate(self._optimizer.step, self._settings)
        gradients, statistics, metrics = self._summed(batch)
        norm = tf.linalg.global_norm(gradients)
        loss = tf.add_n([tf.reduce_sum(metrics[term]) for term in criterion.TERMS])
        # Infinite terms that cancel out leave NaN, which is not finite either.
        is_sound = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        is_sound &= metrics["nonfinite_costs"] == 0
        for value in statistics:
            is_sound &= tf.reduce_all(tf.math.is_finite(value))
        told = {"gradient_norm": norm, "learning_rate": rate, "is_sound": is_sound}
        return Computed(gradients, statistics, {**metrics, **told})

    def _apply(self, computed: Computed) -> None:
        self._optimizer.apply(
            computed.gradients,
            self._model.trainable_variables,
            self._strategy,
            computed.metrics["gradient_norm"],
        )
        for variable, value in zip(self._statistics, computed.statistics, strict=True):
            variable.assign(value)
        if self._averages is not None:
            self._averages.update(self._optimizer.updates, self._strategy)

    def gradients(self, batch: Batch) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        """Gradients and metrics of an effective batch, summed over all its parts."""
        gradients, _, metrics = self._summed(batch)
        return gradients, metrics

    def _summed(self, batch: Batch):
        """Gradients, statistics and metrics, summed over all replicas."""
        found = self._strategy.run(self._replica_gradients, args=(batch,))
        if self._strategy.num_replicas_in_sync == 1:
            return found
        total = tf.distribute.ReduceOp.SUM
        return tf.nest.map_structure(
            lambda value: self._strategy.reduce(total, value, axis=None), found
        )

    def _replica_gradients(self, batch: Batch):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        divisors = criterion.normalisers(
            batch["num_instances"], self._num_queries, self._settings.loss
        )
        micro_batches = self._settings.micro_batches
        first = replica * micro_batches
        if micro_batches == 1:
            return self._part_gradients(first, batch, divisors)

        def add(index: tf.Tensor, totals: tuple):
            part = self._part_gradients(first + index, batch, divisors)
            return index + 1, tf.nest.map_structure(tf.add, totals, part)

        zeros = [tf.zeros(w.shape, w.dtype) for w in self._model.trainable_variables]
        losses = {term: tf.zeros([self._num_predictions]) for term in criterion.TERMS}
        totals = (zeros, [], {**losses, "nonfinite_costs": tf.constant(0)})
        # One at a time: running parts side by side would need the memory of them all.
        _, totals = tf.while_loop(
            lambda index, _: index < micro_batches,
            add,
            (tf.constant(0), totals),
            parallel_iterations=1,
        )
        return totals

    def _part_gradients(
        self, part: tf.Tensor, batch: Batch, divisors: criterion.Normalisers
    ):
        """Gradients, statistics and metrics of one part of the effective batch."""
        settings = self._settings.loss
        start = part * self._part_size
        batch = self._cut(batch, start)
        seed = tf.stack(
            [tf.constant(self._settings.seed, tf.int64), self._optimizer.step]
        )
        points = criterion.draw_points(
            seed,
            self._settings.batch_size,
            start + tf.range(self._part_size),
            self._num_predictions,
            tf.shape(batch["masks"])[1],
            settings,
        )
        kept = self._kept(seed, start)
        with compute_target.for_xla(self._settings.xla), tf.GradientTape() as tape:
            predictions, statistics = self._forward(batch["images"], kept)
            with tape.stop_recording():
                costs = self._cost(predictions, batch, points, settings)
                query_index, num_bad = self._assigned(costs, batch)
            terms = self._losses(
                predictions,
                batch,
                query_index,
                points,
                divisors,
                settings,
                skip_padding=not self._settings.xla,
                class_weights=self._class_weights,
            )
            loss = tf.add_n([tf.reduce_sum(term) for term in terms.values()])
        weights = [weight.value for weight in self._model.trainable_variables]
        gradients = tape.gradient(
            loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return gradients, statistics, {**terms, "nonfinite_costs": num_bad}

    def _assigned(self, costs: tf.Tensor, batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        """See `matcher.assign`."""
        return matcher.assign(costs, batch["num_instances"], self._solver)

    def _cut(self, batch: Batch, start: tf.Tensor) -> Batch:
        """The images of one part."""
        size = self._part_size
        return {
            key: tf.ensure_shape(value[start : start + size], [size, *value.shape[1:]])
            for key, value in batch.items()
        }

    def _kept(self, seed: tf.Tensor, start: tf.Tensor) -> tf.Tensor | None:
        """Rows of one part of `Mask2Former.draw_kept`, drawn for the whole batch."""
        # Its own stream: the points take the seed as it is.
        seed = tf.random.fold_in(tf.cast(seed, tf.int32), _DROPPED_BRANCHES)
        kept = self._model.draw_kept(seed, self._settings.batch_size)
        return None if kept is None else kept[start : start + self._part_size]

    def _predict(self, images: tf.Tensor, kept: tf.Tensor | None):
        """Predictions, and new statistics of batch normalisation if it takes any."""
        statistics = []
        if self._statistics:
            # What layers assign stays in the scope: the update alone changes variables.
            with keras.StatelessScope() as scope:
                predictions = self._model(images, training=True, kept=kept)
            for variable in self._statistics:
                value = scope.get_current_value(variable)
                statistics.append(variable.value if value is None else value)
        else:
            predictions = self._model(images, training=True, kept=kept)
        # Whole masks of all queries are never needed: see criterion.
        names = ("class_logits", "mask_embeddings", "mask_features")
        return {name: predictions[name] for name in names}, statistics


def statistics_of(model: keras.Model) -> list[keras.Variable]:
    """What batch normalisation keeps of the batches; none if its norms keep nothing."""
    if model.model_config.backbone.norm != "batch":
        return []
    return [
        variable
        for variable in model.non_trainable_variables
        if variable.path.rpartition("/")[2] in _STATISTICS
    ]


def _check_norm(
    model: keras.Model, settings: config.TrainConfig, strategy: tf.distribute.Strategy
) -> None:
    """Raises ConfigError: see `config.check_norm`."""
    try:
        config.check_norm(model.model_config, settings, strategy.num_replicas_in_sync)
    except ValueError as error:
        raise errors.ConfigError(f"{error}.") from None
