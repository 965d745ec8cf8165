import pathlib
import subprocess
import sys

import numpy as np
import pytest
import small_batches
import tensorflow as tf

from foundation import errors
from model.network import mask2former
from model.train import optimizer, training_step


@pytest.fixture(scope="module")
def model(tiny_model_config):
    return mask2former.build(tiny_model_config, 2)


@pytest.fixture(scope="module")
def whole_batch(model):
    """Gradients and metrics of the batch in one piece."""
    return small_batches.step_of(model, small_batches.settings()).gradients(
        small_batches.tensors()
    )


@pytest.mark.onednn
def test_micro_batches_give_the_gradients_of_the_whole_batch(model, whole_batch):
    expected, expected_metrics = whole_batch
    found, metrics = small_batches.step_of(
        model, small_batches.settings(micro_batches=4)
    ).gradients(small_batches.tensors())
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
    found, xla_metrics = small_batches.step_of(
        model, small_batches.settings(xla=True)
    ).gradients(small_batches.tensors())
    for term in ("class", "mask", "dice"):
        np.testing.assert_allclose(xla_metrics[term], metrics[term], rtol=1e-3)
    for gradient, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient, plain, atol=1e-3)


def test_a_batch_that_cannot_be_cut_equally_is_refused(model):
    class ThreeReplicas:
        num_replicas_in_sync = 3

    settings = small_batches.settings(batch_size=4)
    adamw = optimizer.AdamW(model.trainable_variables, settings)
    with pytest.raises(errors.ConfigError, match="4 is not divisible by 3 replicas"):
        training_step.TrainingStep(model, adamw, settings, ThreeReplicas())


def test_an_update_reports_its_rate_and_the_norm_of_its_gradients(tiny_model_config):
    model = mask2former.build(tiny_model_config, 2)
    step = small_batches.step_of(model, small_batches.settings(warmup_steps=4))
    batch = small_batches.tensors()
    gradients, expected = step.gradients(batch)
    before = [weight.numpy() for weight in model.trainable_variables]
    metrics, second = step.update(batch), step.update(batch)
    norm = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients))
    assert float(metrics.pop("gradient_norm")) == pytest.approx(norm, rel=1e-4)
    rate = float(metrics.pop("learning_rate"))
    assert 0 <= rate < float(second["learning_rate"]) < 1e-3  # still warming up
    assert bool(metrics.pop("is_sound"))
    assert metrics.keys() == expected.keys()
    for term, values in expected.items():
        np.testing.assert_allclose(metrics[term], values, rtol=1e-4, err_msg=term)
    # One pixel of a map to attend to: its key and query get no gradient here.
    taught = [bool(np.any(gradient)) for gradient in gradients]
    assert np.mean(taught) > 0.8
    for weight, old, is_taught in zip(
        model.trainable_variables, before, taught, strict=True
    ):
        assert not is_taught or not np.array_equal(weight, old), weight.path


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_costs_that_are_no_numbers_are_counted_over_all_parts(model, micro_batches):
    batch = small_batches.tensors()
    batch["images"] *= np.nan
    recipe = small_batches.settings(micro_batches=micro_batches)
    _, metrics = small_batches.step_of(model, recipe).gradients(batch)
    # 2 + 0 + 1 + 2 instances, against 3 queries in each of 2 predictions.
    assert int(metrics["nonfinite_costs"]) == 5 * 3 * 2


def test_a_batch_without_any_instance_still_teaches_the_classes(model):
    batch = small_batches.tensors(counts=(0, 0, 0, 0))
    gradients, metrics = small_batches.step_of(
        model, small_batches.settings()
    ).gradients(batch)
    assert (metrics["class"].numpy() > 0).all()
    assert not metrics["mask"].numpy().any() and not metrics["dice"].numpy().any()
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert any(np.any(gradient) for gradient in gradients)


def test_batches_with_other_numbers_of_instances_are_not_traced_again(model):
    open_sizes = {
        "images": tf.TensorSpec(
            [4, small_batches.SIDE, small_batches.SIDE, 3], tf.float32
        ),
        "masks": tf.TensorSpec(
            [4, None, small_batches.SIDE, small_batches.SIDE], tf.uint8
        ),
        "class_index": tf.TensorSpec([4, None], tf.int32),
        "num_instances": tf.TensorSpec([4], tf.int32),
    }
    compute = small_batches.step_of(model, small_batches.settings()).compute_for(
        open_sizes
    )
    batch = small_batches.tensors()
    fewer = {**batch, "num_instances": tf.minimum(batch["num_instances"], 1)}
    for key in ("masks", "class_index"):
        fewer[key] = batch[key][:, :1]
    for each in (batch, fewer):
        assert np.isfinite(compute(each).metrics["gradient_norm"])
    assert compute.experimental_get_tracing_count() == 1


def _gradients_at(step, number):
    """Of the batch after so many steps, whatever was computed before."""
    step._optimizer.step.assign(number)
    found, _ = step.gradients(small_batches.tensors())
    return [gradient.numpy() for gradient in found]


def test_dropped_branches_follow_from_seed_and_step_alone(
    tiny_model_config, small_swin
):
    settings = tiny_model_config.model_copy(update={"backbone": small_swin})
    model = mask2former.build(settings, 2)
    step = small_batches.step_of(model, small_batches.settings())
    found = {number: _gradients_at(step, number) for number in (3, 4)}
    halves = small_batches.step_of(model, small_batches.settings(micro_batches=2))
    names = [weight.path for weight in model.trainable_variables]
    for name, one, again, part in zip(
        names, found[3], _gradients_at(step, 3), _gradients_at(halves, 3), strict=True
    ):
        np.testing.assert_allclose(one, again, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(one, part, atol=1e-4, err_msg=name)
    # What no image keeps gets no gradient.
    kernels = ("attention/output/kernel", "feedforward_2/kernel")
    for number, gradients in found.items():
        seed = tf.random.fold_in(tf.constant([0, number], tf.int32), 5)
        kept = model.draw_kept(seed, 4).numpy()
        assert 0 < kept[:, 2:].sum() < kept[:, 2:].size
        for branch in range(2, 16):
            stage, block = branch // 4 + 1, branch // 2 % 2
            ending = f"stage_{stage}/block_{block}/{kernels[branch % 2]}"
            (place,) = (i for i, name in enumerate(names) if name.endswith(ending))
            assert bool(gradients[place].any()) == bool(kept[:, branch].any()), ending
