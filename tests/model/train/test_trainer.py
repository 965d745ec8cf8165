import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from foundation import errors
from model import config
from model.network import mask2former
from model.train import optimizer, trainer, training_step

_SIDE = 32


def _settings(**changes):
    values = {
        "batch_size": 4,
        "steps": 4,
        "learning_rate": 1e-3,
        "clip_norm": 1.0,
        "loss": {"num_points": 32},
        "augment": {"crop_size": _SIDE},
        "log_steps": 2,
        "checkpoint_steps": 2,
    }
    return config.TrainConfig(**{**values, **changes})


def _batch(step=0, counts=(2, 0, 1, 2)):
    rng = np.random.default_rng(step)
    size = [len(counts), 2, _SIDE, _SIDE]
    class_index = np.full(size[:2], -1, np.int32)
    for image, count in enumerate(counts):
        class_index[image, :count] = rng.integers(0, 2, count)
    masks = np.repeat(np.repeat(rng.integers(0, 2, [*size[:2], 4, 4]), 8, 2), 8, 3)
    return {
        "images": rng.normal(size=[len(counts), _SIDE, _SIDE, 3]).astype(np.float32),
        "masks": masks.astype(np.uint8) * (class_index >= 0)[..., None, None],
        "class_index": class_index,
        "num_instances": np.array(counts, np.int32),
    }


def _batches_from(start):
    def generate():
        step = start
        while True:
            yield _batch(step)
            step += 1

    example = _batch()
    signature = {
        key: tf.TensorSpec(value.shape, value.dtype) for key, value in example.items()
    }
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def _model(tiny_model_config, **changes):
    return mask2former.build(tiny_model_config, 2, **changes)


def _step(model, settings):
    adamw = optimizer.AdamW(model.trainable_variables, settings)
    strategy = tf.distribute.get_strategy()
    return training_step.TrainingStep(model, adamw, settings, strategy)


def _flat(model):
    return np.concatenate([weight.numpy().ravel() for weight in model.variables])


@pytest.fixture(scope="module")
def model(tiny_model_config):
    return _model(tiny_model_config)


@pytest.fixture(scope="module")
def whole_batch(model):
    """Gradients and metrics of the batch in one piece."""
    return _step(model, _settings()).gradients(_tensors())


def _tensors():
    return {key: tf.constant(value) for key, value in _batch().items()}


@pytest.mark.onednn
def test_micro_batches_give_the_gradients_of_the_whole_batch(model, whole_batch):
    expected, expected_metrics = whole_batch
    found, metrics = _step(model, _settings(micro_batches=4)).gradients(_tensors())
    for weight, gradient, whole in zip(
        model.trainable_variables, found, expected, strict=True
    ):
        np.testing.assert_allclose(gradient, whole, atol=1e-5, err_msg=weight.path)
    for term in ("class", "mask", "dice"):
        np.testing.assert_allclose(metrics[term], expected_metrics[term], rtol=1e-5)


def test_two_replicas_give_the_gradients_of_one_device():
    script = pathlib.Path(__file__).with_name("mirrored_check.py")
    run = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "2 replicas, largest difference" in run.stdout


def test_xla_gives_the_losses_of_plain_graphs(model, whole_batch):
    expected, metrics = whole_batch
    found, xla_metrics = _step(model, _settings(xla=True)).gradients(_tensors())
    for term in ("class", "mask", "dice"):
        np.testing.assert_allclose(xla_metrics[term], metrics[term], rtol=1e-3)
    for gradient, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient, plain, atol=1e-3)


def test_a_batch_that_cannot_be_cut_equally_is_refused(model):
    class ThreeReplicas:
        num_replicas_in_sync = 3

    settings = _settings(batch_size=4)
    adamw = optimizer.AdamW(model.trainable_variables, settings)
    with pytest.raises(errors.ConfigError, match="4 is not divisible by 3 replicas"):
        training_step.TrainingStep(model, adamw, settings, ThreeReplicas())


def test_training_learns_logs_and_leaves_a_checkpoint(tiny_model_config, tmp_path):
    model = _model(tiny_model_config)
    before = _flat(model)
    repeated = tf.data.Dataset.from_tensors(_batch()).repeat()
    settings = _settings(steps=30, learning_rate=1e-2, log_steps=10)
    result = trainer.train(model, lambda start: repeated, settings, tmp_path)
    assert result.steps == 30
    first, last = (_scalars(tmp_path, "loss/total")[step] for step in (10, 30))
    assert last < 0.9 * first
    assert result.losses["total"] == pytest.approx(last, rel=1e-5)
    assert result.nonfinite_costs == 0
    assert not np.array_equal(before, _flat(model))
    assert sorted(_scalars(tmp_path, "gradient_norm")) == [10, 20, 30]
    assert (tmp_path / "checkpoints" / "checkpoint").is_file()


def _scalars(run_dir, name):
    """Values by step of a TensorBoard scalar."""
    found = {}
    for path in run_dir.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag == name:
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return found


@pytest.mark.onednn
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    tiny_model_config, tmp_path
):
    model = _model(tiny_model_config)
    initial = _flat(model)
    trainer.train(model, _batches_from, _settings(), tmp_path / "whole")
    expected = _flat(model)

    def stop_after_three(start):
        return _batches_from(start).take(3)

    model = _model(tiny_model_config)
    trainer.train(model, stop_after_three, _settings(), tmp_path / "cut")
    model = _model(tiny_model_config, seed=5)  # other weights: the checkpoint decides
    starts = []

    def recorded(start):
        starts.append(start)
        return _batches_from(start)

    result = trainer.train(model, recorded, _settings(), tmp_path / "cut")
    assert starts == [2]  # the newest checkpoint is that of step 2
    assert result.steps == 4
    # Where a gradient is nothing but rounding, Adam makes steps of it.
    difference = np.abs(_flat(model) - expected).sum()
    assert difference < 0.01 * np.abs(expected - initial).sum()


def test_a_loss_that_is_not_finite_stops_the_run_naming_step_and_term(
    tiny_model_config, tmp_path
):
    def spoiled(start):
        good = tf.data.Dataset.from_tensors(_batch()).repeat(2)
        batch = _batch()
        batch["images"] = batch["images"] * np.float32(np.nan)
        return good.concatenate(tf.data.Dataset.from_tensors(batch))

    with pytest.raises(
        errors.PipelineError, match="step 3: the class and mask and dice"
    ):
        trainer.train(_model(tiny_model_config), spoiled, _settings(), tmp_path)
    names = [path.name for path in (tmp_path / "checkpoints").glob("*.index")]
    assert names == ["ckpt-2.index"]


@pytest.mark.onednn
def test_mixed_bfloat16_trains_with_finite_losses(tiny_model_config, tmp_path):
    model = _model(tiny_model_config, precision="mixed_bfloat16")
    settings = _settings(steps=2, precision="mixed_bfloat16")
    result = trainer.train(model, _batches_from, settings, tmp_path)
    assert np.isfinite(list(result.losses.values())).all()
    assert all(weight.dtype == "float32" for weight in model.variables)


def test_interrupting_leaves_the_loop_at_once(tiny_model_config, tmp_path):
    class Interrupted:
        element_spec = _batches_from(0).element_spec

        def __iter__(self):
            yield _tensors()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train(
            _model(tiny_model_config), lambda _: Interrupted(), _settings(), tmp_path
        )


def test_batches_with_other_numbers_of_instances_are_not_traced_again(model):
    open_sizes = {
        "images": tf.TensorSpec([4, _SIDE, _SIDE, 3], tf.float32),
        "masks": tf.TensorSpec([4, None, _SIDE, _SIDE], tf.uint8),
        "class_index": tf.TensorSpec([4, None], tf.int32),
        "num_instances": tf.TensorSpec([4], tf.int32),
    }
    update = _step(model, _settings()).update_for(open_sizes)
    batch = _tensors()
    fewer = {**batch, "num_instances": tf.minimum(batch["num_instances"], 1)}
    for key in ("masks", "class_index"):
        fewer[key] = batch[key][:, :1]
    for each in (batch, fewer):
        assert np.isfinite(update(each)["gradient_norm"])
    assert update.experimental_get_tracing_count() == 1
