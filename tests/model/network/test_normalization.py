import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from model.kernels import compute_target
from model.network import normalization

pytestmark = pytest.mark.onednn


def _inputs():
    return 3.0 * tf.random.stateless_normal([2, 4, 6, 8], [0, 1]).numpy() + 5.0


def test_group_norm_uses_statistics_of_each_image_and_group():
    inputs = _inputs()
    groups = inputs.reshape(2, 24, 2, 4)
    mean = groups.mean(axis=(1, 3), keepdims=True)
    variance = groups.var(axis=(1, 3), keepdims=True)
    expected = ((groups - mean) / np.sqrt(variance + 1e-5)).reshape(inputs.shape)
    layer = normalization.GroupNorm(2)
    layer.build(inputs.shape)
    layer.gamma.assign(np.arange(8.0))
    layer.beta.assign(np.full(8, 0.5))
    np.testing.assert_allclose(
        layer(inputs), expected * np.arange(8) + 0.5, rtol=1e-4, atol=1e-4
    )


def test_group_norm_agrees_with_keras():
    keras_layer = keras.layers.GroupNormalization(4, epsilon=1e-5)
    inputs = _inputs()
    np.testing.assert_allclose(
        normalization.GroupNorm(4)(inputs), keras_layer(inputs), atol=1e-4
    )


def test_layer_norm_agrees_with_keras():
    inputs = _inputs()
    keras_layer = keras.layers.LayerNormalization(epsilon=1e-5)
    np.testing.assert_allclose(
        normalization.LayerNorm()(inputs), keras_layer(inputs), atol=1e-4
    )


def test_frozen_batch_norm_applies_its_four_vectors_and_trains_none():
    layer = normalization.FrozenBatchNorm()
    layer.build((None, None, None, 1))
    layer.gamma.assign([2.0])
    layer.beta.assign([1.0])
    layer.moving_mean.assign([3.0])
    layer.moving_variance.assign([4.0 - 1e-5])
    # (7 - 3) / 2 * 2 + 1
    assert layer(tf.fill([1, 1, 1, 1], 7.0)).numpy().item() == pytest.approx(5.0)
    assert not layer.trainable_weights


@pytest.mark.parametrize(
    ("channels", "groups"), [(16, 2), (64, 8), (256, 32), (2048, 32), (4, 1)]
)
def test_backbone_groups_have_at_least_eight_channels(channels, groups):
    assert normalization.backbone_norm("group", channels).groups == groups


@pytest.mark.parametrize(
    "make", [normalization.LayerNorm, normalization.FrozenBatchNorm]
)
def test_norms_keep_bfloat16_and_compute_in_float32(make):
    layer = make(dtype="mixed_bfloat16")
    inputs = tf.cast(_inputs(), tf.bfloat16)
    assert layer(inputs).dtype == tf.bfloat16
    assert all(weight.dtype == "float32" for weight in layer.weights)


def _layer_norm(shape) -> normalization.LayerNorm:
    layer = normalization.LayerNorm()
    layer.build(shape)
    layer.gamma.assign(np.arange(8.0))
    layer.beta.assign(np.full(8, 0.5))
    return layer


def _many_rows() -> tf.Tensor:
    return 3.0 * tf.random.stateless_normal([2, 1500, 8], [0, 1]) + 5.0


@pytest.mark.parametrize("is_known", [True, False])
def test_layer_norm_of_many_rows_takes_one_kernel_for_the_same_numbers(
    is_known, monkeypatch
):
    # Made for oneDNN, the form has the same numbers where a model is served without.
    has_kernel = compute_target.has_onednn()
    monkeypatch.setattr(compute_target, "has_onednn", lambda: True)
    inputs = _many_rows()
    layer = _layer_norm(inputs.shape)
    spec = tf.TensorSpec(inputs.shape if is_known else [None, None, 8], tf.float32)
    fused = tf.function(
        lambda rows: layer(rows, training=False), input_signature=[spec]
    )
    kinds = _executed_first(fused, inputs)
    values = inputs.numpy().astype(np.float64)
    centred = values - values.mean(-1, keepdims=True)
    scale = np.sqrt(values.var(-1, keepdims=True) + 1e-5)
    expected = centred / scale * np.arange(8) + 0.5
    np.testing.assert_allclose(fused(inputs), expected, atol=1e-5)
    np.testing.assert_allclose(layer(inputs, training=False), expected, atol=1e-4)
    # No GPU has that kernel, which stands where the last operation of its form stood.
    graph = fused.get_concrete_function().graph
    placed = {each.device for each in graph.get_operations() if each.type == "AddV2"}
    assert placed == {"/device:CPU:*"}
    assert ("_MklLayerNorm" in kinds) == has_kernel


@pytest.mark.parametrize(
    ("rows", "training", "is_for_xla", "has_onednn"),
    [
        (1500, True, False, True),
        (1500, None, False, True),
        (100, False, False, True),
        (1500, False, True, True),
        (1500, False, False, False),
    ],
)
def test_layer_norm_is_plain_in_training_for_few_rows_for_xla_and_without_onednn(
    rows, training, is_for_xla, has_onednn, monkeypatch
):
    monkeypatch.setattr(compute_target, "has_onednn", lambda: has_onednn)
    layer = _layer_norm([2, rows, 8])
    spec = tf.TensorSpec([2, rows, 8])
    with compute_target.for_xla(is_for_xla):
        traced = tf.function(lambda rows: layer(rows, training=training))
        graph = traced.get_concrete_function(spec).graph
    assert "FusedBatchNormV3" not in {each.type for each in graph.get_operations()}


def test_layer_norm_at_inference_has_the_gradient_of_the_plain_one(monkeypatch):
    monkeypatch.setattr(compute_target, "has_onednn", lambda: True)
    inputs = _many_rows()
    layer = _layer_norm(inputs.shape)
    gradients = []
    for training in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_sum(layer(inputs, training=training) ** 2)
        gradients.append(tape.gradient(loss, [inputs, *layer.weights]))
    for plain, fused in zip(*gradients, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-3, atol=1e-3)


def _executed_first(function, *inputs) -> set[str]:
    """Kinds of operations of a graph that was never run, as it is when optimized."""
    config = context.context()
    config.enable_run_metadata()
    try:
        function(*inputs)
        metadata = config.export_run_metadata()
    finally:
        config.disable_run_metadata()
    return {
        node.op
        for graph in metadata.function_graphs
        for node in graph.post_optimization_graph.node
    }
