import numpy as np
import pytest
import tensorflow as tf

from foundation import errors
from model import config
from model.network import mask2former
from model.train import optimizer, training_step

_SIDE = 32


def _batch(counts=(2, 1), scale=1.0):
    rng = np.random.default_rng(0)
    images = rng.normal(size=[len(counts), _SIDE, _SIDE, 3]) * scale
    masks = np.zeros([len(counts), 2, _SIDE, _SIDE], np.uint8)
    class_index = np.full([len(counts), 2], -1, np.int32)
    for image, count in enumerate(counts):
        masks[image, :count, 8:20, 8:20] = 1
        class_index[image, :count] = 0
    return {
        "images": tf.constant(images, tf.float32),
        "masks": tf.constant(masks),
        "class_index": tf.constant(class_index),
        "num_instances": tf.constant(counts, tf.int32),
    }


def _step(model_config, norm, precision="float32", **changes):
    backbone = model_config.backbone.model_copy(update={"norm": norm})
    settings = model_config.model_copy(update={"backbone": backbone})
    recipe = config.TrainConfig(
        batch_size=2, loss={"num_points": 32}, precision=precision, **changes
    )
    model = mask2former.build(settings, 1, precision)
    adamw = optimizer.AdamW(model.trainable_variables, recipe)
    strategy = tf.distribute.get_strategy()
    return model, adamw, training_step.TrainingStep(model, adamw, recipe, strategy)


def _values(model, adamw):
    kept = [*model.variables, *adamw.first_moments, *adamw.second_moments]
    return [variable.numpy() for variable in kept]


@pytest.mark.parametrize(
    ("norm", "precision"),
    [("batch", "float32"), ("group", "mixed_bfloat16")],
)
def test_computing_and_a_batch_that_is_not_finite_change_nothing_but_counters(
    tiny_model_config, norm, precision
):
    model, adamw, step = _step(tiny_model_config, norm, precision)
    before = _values(model, adamw)
    computed = step.compute(_batch())
    for one, other in zip(_values(model, adamw), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert step.finish(computed)
    before = _values(model, adamw)
    means = [v.numpy() for v in model.variables if v.path.endswith("moving_mean")]
    assert len(means) == (20 if norm == "batch" else 0)
    assert all(np.abs(mean).max() > 0 for mean in means)
    metrics = step.update(_batch(scale=np.nan))
    assert not metrics["is_sound"]
    for one, other in zip(_values(model, adamw), before, strict=True):
        np.testing.assert_array_equal(one, other)
    counters = (adamw.step, adamw.updates, adamw.skipped)
    assert [int(counter) for counter in counters] == [2, 1, 1]
    # A batch without any instance is an ordinary one.
    metrics = step.update(_batch(counts=(0, 0)))
    assert metrics["is_sound"]
    assert float(metrics["mask"][-1]) == 0.0
    assert [int(counter) for counter in counters] == [3, 2, 0]


@pytest.mark.parametrize(("trained", "is_refused"), [(5, True), (1, True), (0, False)])
def test_batch_statistics_of_a_part_of_the_batch_are_refused(
    tiny_model_config, trained, is_refused
):
    backbone = tiny_model_config.backbone.model_copy(
        update={"norm": "batch", "trained_stages": trained}
    )
    network = tiny_model_config.model_copy(update={"backbone": backbone})
    recipe = config.TrainConfig(batch_size=4, micro_batches=2)
    if is_refused:
        with pytest.raises(ValueError, match="norm is batch .* in 2 parts"):
            config.check_norm(network, recipe)
    else:
        config.check_norm(network, recipe)
    whole = config.TrainConfig(batch_size=4)
    config.check_norm(network, whole)
    if is_refused:
        with pytest.raises(ValueError, match="in 3 parts .* x 3 replicas"):
            config.check_norm(network, whole, num_replicas=3)


def test_replicas_with_batch_statistics_are_a_configuration_error(tiny_model_config):
    class TwoReplicas:
        num_replicas_in_sync = 2

    backbone = tiny_model_config.backbone.model_copy(update={"norm": "batch"})
    model = mask2former.build(
        tiny_model_config.model_copy(update={"backbone": backbone}), 1
    )
    recipe = config.TrainConfig(batch_size=2)
    adamw = optimizer.AdamW(model.trainable_variables, recipe)
    with pytest.raises(errors.ConfigError, match="to group, to frozen_batch with"):
        training_step.TrainingStep(model, adamw, recipe, TwoReplicas())
