import numpy as np
import pytest
import tensorflow as tf

from model import config
from model.network import mask2former

pytestmark = pytest.mark.onednn


@pytest.fixture(scope="module")
def model(small_model_config):
    return mask2former.build(small_model_config, 3)


def _images(batch=2, height=64, width=96):
    return tf.random.stateless_normal([batch, height, width, 3], [0, 1])


def test_parameters_of_the_paper_are_44_million():
    model = mask2former.build(config.ModelConfig(), 80)
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_variables)
    frozen_norms = sum(int(np.prod(w.shape)) for w in model.non_trainable_variables)
    # 2 x 26,560 running statistics and as many scales and shifts are frozen.
    assert frozen_norms == 4 * 26_560
    assert (trained + 2 * 26_560) / 1e6 == pytest.approx(44.0, abs=0.1)


def test_predictions_have_the_promised_shapes(model):
    outputs = model(_images())
    assert [o.shape.as_list() for o in outputs["class_logits"]] == [[2, 4, 4]] * 3
    assert [o.shape.as_list() for o in outputs["mask_logits"]] == [[2, 4, 16, 24]] * 3


def test_mask_logits_are_products_of_embeddings_and_features(model):
    outputs = model(_images())
    expected = np.einsum(
        "bqc,bhwc->bqhw", outputs["mask_embeddings"][1], outputs["mask_features"]
    )
    np.testing.assert_allclose(outputs["mask_logits"][1], expected, atol=1e-4)


def test_sizes_known_only_when_run_give_the_same(model):
    signature = [tf.TensorSpec([None, None, None, 3])]
    call = tf.function(lambda images: model(images), input_signature=signature)
    for height, width in ((64, 96), (32, 32)):
        images = _images(1, height, width)
        found, expected = call(images), model(images)
        for key in ("class_logits", "mask_logits"):
            np.testing.assert_allclose(found[key][-1], expected[key][-1], atol=1e-4)


def test_images_of_a_batch_do_not_influence_each_other(model):
    images = _images()
    together, alone = model(images), model(images[1:])
    np.testing.assert_allclose(
        together["mask_logits"][-1][1:], alone["mask_logits"][-1], atol=1e-3
    )


def test_every_weight_gets_a_gradient(small_model_config):
    model = mask2former.build(small_model_config, 3)
    # At its start the encoder samples in the same places whatever it is asked.
    for number, weight in enumerate(model.trainable_variables):
        weight.assign_add(0.1 * tf.random.stateless_normal(weight.shape, [number, 0]))
    with tf.GradientTape() as tape:
        outputs = model(_images(), training=True)
        loss = tf.add_n(
            [
                tf.reduce_sum(o**2)
                for key in outputs
                for o in tf.nest.flatten(outputs[key])
            ]
        )
    weights = model.trainable_variables
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None, weight.path
        # A key bias adds the same to all scores of a query: no gradient but rounding.
        if weight.path.endswith("key/bias"):
            continue
        assert float(tf.reduce_max(tf.abs(gradient))) > 0, weight.path


def test_saved_weights_give_the_same_predictions(model, small_model_config, tmp_path):
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    twin = mask2former.build(small_model_config, 3, seed=7)
    images = _images(1)
    expected = model(images)["mask_logits"][-1]
    assert not np.allclose(twin(images)["mask_logits"][-1], expected)
    twin.load_weights(path)
    np.testing.assert_allclose(twin(images)["mask_logits"][-1], expected, atol=1e-5)


def test_the_seed_decides_the_initial_weights(small_model_config):
    first, again = (mask2former.build(small_model_config, 3, seed=1) for _ in range(2))
    for one, other in zip(first.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_mixed_bfloat16_is_close_to_float32(model, small_model_config, tmp_path):
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    twin = mask2former.build(small_model_config, 3, precision="mixed_bfloat16")
    twin.load_weights(path)
    assert all(weight.dtype == "float32" for weight in twin.variables)
    images = _images(1)
    found, expected = twin(images), model(images)
    assert {o.dtype for o in tf.nest.flatten(found)} == {tf.float32}
    features = expected["mask_features"]
    error = tf.reduce_mean(tf.abs(found["mask_features"] - features))
    assert float(error) < 0.1 * float(tf.reduce_mean(tf.abs(features)))


def test_the_configuration_is_kept(model):
    twin = mask2former.Mask2Former.from_config(model.get_config())
    twin.build((None, None, None, 3))
    assert [w.path for w in twin.variables] == [w.path for w in model.variables]


def test_weight_paths_are_unique(model):
    paths = [weight.path for weight in model.variables]
    assert len(set(paths)) == len(paths)


def test_branches_of_the_backbone_are_kept_as_often_as_it_says(
    small_model_config, small_swin
):
    dropping = small_model_config.model_copy(update={"backbone": small_swin})
    network = mask2former.build(dropping, 3)
    kept = network.draw_kept(tf.constant([3, 5], tf.int64), 4000).numpy()
    rates = 1.0 - np.repeat(np.linspace(0.0, 0.5, 8), 2)
    np.testing.assert_allclose(kept.mean(axis=0), rates, atol=0.04)
    again = network.draw_kept(tf.constant([3, 5], tf.int64), 4000)
    np.testing.assert_array_equal(kept, again)
    other = network.draw_kept(tf.constant([3, 6], tf.int64), 4000)
    assert not np.array_equal(kept, other)
    images, none = _images(1), tf.zeros([1, 16], tf.bool)
    plain = network(images)["mask_logits"][-1]
    dropped = network(images, kept=none)["mask_logits"][-1]
    assert float(tf.reduce_max(tf.abs(plain - dropped))) > 1e-3


def test_a_backbone_without_such_branches_draws_nothing(model):
    assert model.draw_kept(tf.constant([3, 5], tf.int64), 2) is None
