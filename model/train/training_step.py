"""One update: forward, matching, losses, gradients, over replicas and micro-batches."""

from collections.abc import Callable

import keras
import tensorflow as tf

from foundation import errors
from model import config
from model.kernels import compute_target
from model.loss import criterion, matcher
from model.train import optimizer

Batch = dict[str, tf.Tensor]


class TrainingStep:
    """Makes one optimizer update from one effective batch.

    The batch is cut into equal parts, one micro-batch after the other on every
    replica. Loss sums are divided by counts of the whole batch, so the gradients of
    the parts add up to those of the batch in one piece.
    """

    def __init__(
        self,
        model: keras.Model,
        model_optimizer: optimizer.AdamW,
        settings: config.TrainConfig,
        strategy: tf.distribute.Strategy,
    ):
        self._model = model
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
        self._part_size = settings.batch_size // parts
        self._num_queries = model.model_config.decoder.num_queries
        self._num_predictions = model.model_config.decoder.num_layers + 1
        jit = {"jit_compile": True} if settings.xla else {}
        self._forward = tf.function(self._predict, **jit)
        self._cost = tf.function(criterion.matching_costs, **jit)
        self._losses = tf.function(criterion.loss_terms, **jit)
        self.update = tf.function(self._update)

    def update_for(
        self, batch_spec: dict[str, tf.TensorSpec]
    ) -> Callable[[Batch], dict[str, tf.Tensor]]:
        """`update` for one kind of batch: traced once, whatever sizes are left open.

        Args:
            batch_spec: `element_spec` of the dataset.
        """
        return tf.function(self._update, input_signature=[batch_spec])

    def _update(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Makes the update.

        Args:
            batch: see `dataset.train_dataset`.

        Returns:
            `class`, `mask` and `dice` losses, float32 [L]; `nonfinite_costs` int32 [];
            `gradient_norm` and `learning_rate` float32 [].
        """
        rate = optimizer.learning_rate(self._optimizer.step, self._settings)
        gradients, metrics = self.gradients(batch)
        variables = self._model.trainable_variables
        norm = self._optimizer.apply(gradients, variables, self._strategy)
        return {**metrics, "gradient_norm": norm, "learning_rate": rate}

    def gradients(self, batch: Batch) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        """Gradients and metrics of an effective batch, summed over all its parts."""
        gradients, metrics = self._strategy.run(self._replica_gradients, args=(batch,))
        if self._strategy.num_replicas_in_sync == 1:
            return gradients, metrics
        total = tf.distribute.ReduceOp.SUM
        return tf.nest.map_structure(
            lambda value: self._strategy.reduce(total, value, axis=None),
            (gradients, metrics),
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
        totals = (zeros, {**losses, "nonfinite_costs": tf.constant(0)})
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
        """Gradients and metrics of one part of the effective batch."""
        settings = self._settings.loss
        start = part * self._part_size
        batch = self._cut(batch, start)
        points = criterion.draw_points(
            tf.stack(
                [tf.constant(self._settings.seed, tf.int64), self._optimizer.step]
            ),
            self._settings.batch_size,
            start + tf.range(self._part_size),
            self._num_predictions,
            tf.shape(batch["masks"])[1],
            settings,
        )
        with compute_target.for_xla(self._settings.xla), tf.GradientTape() as tape:
            predictions = self._forward(batch["images"])
            with tape.stop_recording():
                cost = self._cost(predictions, batch, points, settings)
                query_index, num_bad = matcher.assign(cost, batch["num_instances"])
            terms = self._losses(
                predictions,
                batch,
                query_index,
                points,
                divisors,
                settings,
                skip_padding=not self._settings.xla,
            )
            loss = tf.add_n([tf.reduce_sum(term) for term in terms.values()])
        weights = [weight.value for weight in self._model.trainable_variables]
        gradients = tape.gradient(
            loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return gradients, {**terms, "nonfinite_costs": num_bad}

    def _cut(self, batch: Batch, start: tf.Tensor) -> Batch:
        """The images of one part."""
        size = self._part_size
        return {
            key: tf.ensure_shape(value[start : start + size], [size, *value.shape[1:]])
            for key, value in batch.items()
        }

    def _predict(self, images: tf.Tensor):
        predictions = self._model(images, training=True)
        # Whole masks of all queries are never needed: see criterion.
        return {
            key: predictions[key]
            for key in ("class_logits", "mask_embeddings", "mask_features")
        }
