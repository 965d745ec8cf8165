import numpy as np
import pytest
import small_batches
import tensorflow as tf

from foundation import errors
from model.network import mask2former
from model.train import trainer


def _batches_from(start):
    def generate():
        step = start
        while True:
            yield small_batches.batch(step)
            step += 1

    example = small_batches.batch()
    signature = {
        key: tf.TensorSpec(value.shape, value.dtype) for key, value in example.items()
    }
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def _model(tiny_model_config, **changes):
    return mask2former.build(tiny_model_config, 2, **changes)


def _flat(model):
    return np.concatenate([weight.numpy().ravel() for weight in model.variables])


def test_training_learns_logs_and_leaves_a_checkpoint(tiny_model_config, tmp_path):
    model = _model(tiny_model_config)
    before = _flat(model)
    repeated = tf.data.Dataset.from_tensors(small_batches.batch()).repeat()
    settings = small_batches.settings(steps=30, learning_rate=1e-2, log_steps=10)
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
    trainer.train(model, _batches_from, small_batches.settings(), tmp_path / "whole")
    expected = _flat(model)

    def stop_after_three(start):
        return _batches_from(start).take(3)

    model = _model(tiny_model_config)
    trainer.train(model, stop_after_three, small_batches.settings(), tmp_path / "cut")
    model = _model(tiny_model_config, seed=5)  # other weights: the checkpoint decides
    starts = []

    def recorded(start):
        starts.append(start)
        return _batches_from(start)

    result = trainer.train(model, recorded, small_batches.settings(), tmp_path / "cut")
    assert starts == [2]  # the newest checkpoint is that of step 2
    assert result.steps == 4
    # Where a gradient is nothing but rounding, Adam makes steps of it.
    difference = np.abs(_flat(model) - expected).sum()
    assert difference < 0.01 * np.abs(expected - initial).sum()


def test_a_loss_that_is_not_finite_stops_the_run_naming_step_and_term(
    tiny_model_config, tmp_path
):
    def spoiled(start):
        good = tf.data.Dataset.from_tensors(small_batches.batch()).repeat(2)
        batch = small_batches.batch()
        batch["images"] = batch["images"] * np.float32(np.nan)
        return good.concatenate(tf.data.Dataset.from_tensors(batch))

    with pytest.raises(
        errors.PipelineError, match="step 3: the class and mask and dice"
    ):
        trainer.train(
            _model(tiny_model_config), spoiled, small_batches.settings(), tmp_path
        )
    names = [path.name for path in (tmp_path / "checkpoints").glob("*.index")]
    assert names == ["ckpt-2.index"]


@pytest.mark.onednn
def test_mixed_bfloat16_trains_with_finite_losses(tiny_model_config, tmp_path):
    model = _model(tiny_model_config, precision="mixed_bfloat16")
    settings = small_batches.settings(steps=2, precision="mixed_bfloat16")
    result = trainer.train(model, _batches_from, settings, tmp_path)
    assert np.isfinite(list(result.losses.values())).all()
    assert all(weight.dtype == "float32" for weight in model.variables)


def test_interrupting_leaves_the_loop_at_once(tiny_model_config, tmp_path):
    class Interrupted:
        element_spec = _batches_from(0).element_spec

        def __iter__(self):
            yield small_batches.tensors()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train(
            _model(tiny_model_config),
            lambda _: Interrupted(),
            small_batches.settings(),
            tmp_path,
        )
