import os
import signal
import time

import numpy as np
import pytest
import small_batches
import tensorflow as tf

from foundation import errors, progress
from model.examples import categories, dataset
from model.loss import balance
from model.network import mask2former
from model.train import manifest, trainer

_MEAN, _STD = np.zeros(3, np.float32), np.ones(3, np.float32)


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


@pytest.fixture(scope="module")
def model(tiny_model_config):
    return _model(tiny_model_config)


def test_training_learns_logs_and_leaves_a_checkpoint(tiny_model_config, tmp_path):
    model = _model(tiny_model_config)
    before = _flat(model)
    repeated = tf.data.Dataset.from_tensors(small_batches.batch()).repeat()
    settings = small_batches.settings(steps=30, learning_rate=1e-2, log_steps=10)
    result = trainer.train(model, lambda start: repeated, settings, tmp_path)
    assert result.steps == 30
    spent = result.to_facts()["cost"]
    assert (spent["attempts"], spent["images"]) == (1, 30 * settings.batch_size)
    kept = manifest.read(tmp_path / "checkpoints", 30).facts["cost"]
    assert kept["matching_seconds"] > 0 and kept["waiting_seconds"] > 0
    assert spent["peak_memory_bytes"] > 1 << 27  # TensorFlow alone is larger
    first, last = (_scalars(tmp_path, "loss/total")[step] for step in (10, 30))
    assert last < 0.9 * first
    assert result.losses["total"] == pytest.approx(last, rel=1e-5)
    assert (result.nonfinite_costs, result.skipped) == (0, 0)
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


def _told(folder, name="loss/total"):
    """Steps of a curve, those that stand twice twice."""
    return [
        event.step
        for path in sorted(folder.glob("events*"))
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == name
    ]


def test_sigterm_loses_no_step_and_a_resumed_run_ends_where_an_unbroken_one_does(
    tiny_model_config, tmp_path
):
    settings = small_batches.settings(log_steps=1, checkpoint_steps=100)
    model = _model(tiny_model_config)
    trainer.train(model, _batches_from, settings, tmp_path / "whole")
    expected = _flat(model)

    def told_to_stop(start):
        def stop(batch):
            def send():
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(2)
                return np.int64(0)

            sent = tf.numpy_function(send, [], tf.int64)
            with tf.control_dependencies([sent]):
                return tf.nest.map_structure(tf.identity, batch)

        good = _batches_from(start)
        return good.take(3).concatenate(good.skip(3).map(stop))

    model = _model(tiny_model_config)
    with pytest.raises(errors.Interrupted, match="step 3 of 4 is saved"):
        trainer.train(model, told_to_stop, settings, tmp_path / "cut")
    assert _told(tmp_path / "cut") == [1, 2, 3]
    model = _model(tiny_model_config, seed=5)  # other weights: the checkpoint decides
    starts = []

    def recorded(start):
        starts.append(start)
        return _batches_from(start)

    result = trainer.train(model, recorded, settings, tmp_path / "cut")
    assert starts == [3]
    assert result.steps == 4
    assert result.cost["attempts"] == 2
    assert result.cost["images"] == 4 * settings.batch_size
    assert _told(tmp_path / "cut") == [1, 2, 3, 4]
    np.testing.assert_array_equal(_flat(model), expected)


def test_a_shard_that_goes_away_is_one_line_and_what_was_trained_is_saved(
    tiny_model_config, tmp_path
):
    def vanishing(start):
        gone = tf.data.TFRecordDataset(str(tmp_path / "gone.gz"))
        rest = gone.map(lambda _: small_batches.tensors()).map(
            lambda batch: {k: tf.ensure_shape(v, v.shape) for k, v in batch.items()}
        )
        return (
            tf.data.Dataset.from_tensors(small_batches.tensors())
            .repeat(3)
            .concatenate(rest)
        )

    settings = small_batches.settings(steps=9, checkpoint_steps=100)
    with pytest.raises(errors.PipelineError, match="after step 3: .*gone.gz"):
        trainer.train(_model(tiny_model_config), vanishing, settings, tmp_path)
    assert (tmp_path / "checkpoints" / "ckpt-3.json").is_file()


def test_a_loss_that_is_not_finite_stops_the_run_naming_step_and_term(
    tiny_model_config, tmp_path
):
    def spoiled(start):
        good = tf.data.Dataset.from_tensors(small_batches.batch()).repeat(2)
        batch = small_batches.batch()
        batch["images"] = batch["images"] * np.float32(np.nan)
        return good.concatenate(tf.data.Dataset.from_tensors(batch))

    settings = small_batches.settings(max_skipped_updates=1)
    with pytest.raises(
        errors.PipelineError, match="step 3: the class loss, mask loss, dice loss"
    ):
        trainer.train(_model(tiny_model_config), spoiled, settings, tmp_path)
    names = [path.name for path in (tmp_path / "checkpoints").glob("*.index")]
    assert names == ["ckpt-2.index"]


def test_an_overflowing_gradient_of_a_finite_loss_is_never_applied_nor_saved(
    tiny_model_config, tmp_path, caplog
):
    model = _model(tiny_model_config)
    before = _flat(model)
    # Losses of 1e25 are finite, and squares of their gradients are not.
    settings = small_batches.settings(
        loss={"num_points": 32, "class_weight": 1e25}, max_skipped_updates=3
    )

    def numbered(start):
        ids = {"image_id": np.array([3, 1, 4, 15])}
        return _batches_from(start).map(lambda batch: {**batch, **ids})

    with pytest.raises(
        errors.PipelineError, match="the gradient of images 3, 1, 4, 15"
    ):
        trainer.train(model, numbered, settings, tmp_path)
    np.testing.assert_array_equal(_flat(model), before)
    assert [r.message[:6] for r in caplog.records if "skipped" in r.message] == [
        "Step 1",
        "Step 2",
        "Step 3",
    ]
    assert "nan loss" not in caplog.text
    # That of step 2 was due: it holds the weights that training began with.
    names = [path.name for path in (tmp_path / "checkpoints").glob("*.json")]
    assert names == ["ckpt-2.json"]


def test_a_thousand_instances_in_the_only_image_of_one_class_train(
    tiny_model_config, tmp_path, serialize_example, write_records
):
    side, count = 40, 1200
    masks = np.zeros([count, side, side], np.uint8)
    masks[np.arange(count), np.arange(count) // side, np.arange(count) % side] = 1
    example = serialize_example(
        np.full([side, side, 3], 127, np.uint8), list(masks), [7] * count, image_id=5
    )
    file = write_records(tmp_path / "one.gz", [example])
    # The second class is one that the eval split alone has.
    classes = [categories.Category(7, "cell", 1200), categories.Category(9, "other", 0)]
    settings = small_batches.settings(
        steps=2,
        batch_size=2,
        augment={"crop_size": small_batches.SIDE, "min_scale": 1.0},
    )
    lines = []

    class Lines(progress.LineReporter):
        def tell(self, line):
            lines.append(line)

    progress.set_reporter(Lines())
    try:
        result = trainer.train(
            _model(tiny_model_config),
            lambda start: dataset.train_dataset(
                [file], classes, settings, _MEAN, _STD, 0, start
            ),
            settings,
            tmp_path / "run",
        )
    finally:
        progress.set_reporter(progress.LineReporter())
    assert (result.steps, result.skipped) == (2, 0)
    (line,) = lines
    assert "image 5 shows" in line
    assert "train.max_instances 100 keeps" in line


def test_one_class_with_one_image_trains_at_a_constant_rate(
    tiny_model_config, tmp_path, serialize_example, write_records
):
    mask = np.zeros([32, 32], np.uint8)
    mask[4:20, 4:20] = 1
    image = np.where(mask[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    file = write_records(tmp_path / "one.gz", [serialize_example(image, [mask], [7])])
    classes = [categories.Category(7, "cell", 1)]
    settings = small_batches.settings(
        steps=3, schedule="constant", warmup_steps=0, log_steps=1
    )
    model = mask2former.build(tiny_model_config, 1)
    before = _flat(model)
    result = trainer.train(
        model,
        lambda start: dataset.train_dataset(
            [file], classes, settings, _MEAN, _STD, 0, start
        ),
        settings,
        tmp_path / "run",
        class_weights=balance.class_weights([1], 0.5),
    )
    assert (result.steps, result.skipped, result.planned) == (3, 0, 3)
    rates = _scalars(tmp_path / "run", "learning_rate")
    assert list(rates.values()) == pytest.approx([1e-3] * 3)
    assert not np.array_equal(before, _flat(model))


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
