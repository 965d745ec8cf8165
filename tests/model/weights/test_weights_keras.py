import h5py
import keras
import numpy as np
import pytest

from foundation import errors
from model.network import resnet
from model.weights import weights_keras

OUR_MEAN = np.array([123.675, 116.28, 103.53])
OUR_DEVIATION = np.array([58.395, 57.12, 57.375])


@pytest.fixture(scope="module")
def keras_start():
    """Keras applications' ResNet-50 up to res2, with random statistics."""
    keras.utils.set_random_seed(0)
    whole = keras.applications.ResNet50(weights=None, include_top=False)
    start = keras.Model(whole.inputs, whole.get_layer("conv2_block3_out").output)
    random = np.random.default_rng(1)
    for weight in start.weights:
        if "kernel" not in weight.path:
            low, high = (0.5, 1.5) if weight.name != "bias" else (-0.5, 0.5)
            weight.assign(random.uniform(low, high, weight.shape))
    return start


@pytest.fixture(scope="module")
def file(keras_start, tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "resnet50.h5"
    keras_start.save(path)
    return path


@pytest.fixture(scope="module")
def ours(file):
    values, dropped = weights_keras.read(file)
    assert dropped == []
    layer = resnet.ResNet(50, 64, "frozen_batch", name="backbone")
    layer.build((None, None, None, 3))
    weights = {weight.path: weight for weight in layer.weights}
    for name, value in values.items():
        weights[name].assign(value)
    return layer


def test_features_up_to_res2_equal_keras_on_its_own_input(keras_start, ours):
    pixels = np.random.default_rng(2).uniform(0, 255, [1, 128, 128, 3])
    theirs = keras.applications.resnet50.preprocess_input(pixels.copy())
    expected = keras_start(theirs.astype(np.float32)).numpy()
    normalised = (pixels - OUR_MEAN) / OUR_DEVIATION
    got = ours(normalised.astype(np.float32))[0].numpy()
    scale = np.abs(expected).max()
    # Seven pixels from the border no zero-padding is seen.
    inside = np.s_[:, 7:-7, 7:-7]
    np.testing.assert_allclose(got[inside], expected[inside], atol=1e-5 * scale)
    np.testing.assert_allclose(got, expected, atol=0.02 * scale)


def test_a_shortcut_is_the_convolution_numbered_zero(file):
    values, _ = weights_keras.read(file)
    assert values["backbone/res2/block_0/conv_shortcut/kernel"].shape == (1, 1, 64, 256)
    assert "backbone/res2/block_1/conv_shortcut/kernel" not in values


def test_a_bias_moves_the_mean_of_the_batch_norm_and_epsilon_its_variance(tmp_path):
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as out:
        conv = out.create_group("conv3_block2_1_conv/conv3_block2_1_conv")
        conv["kernel:0"], conv["bias:0"] = np.zeros([1, 1, 1, 1]), np.array([3.0])
        norm = out.create_group("conv3_block2_1_bn/conv3_block2_1_bn")
        norm["gamma:0"], norm["beta:0"] = np.array([2.0]), np.array([0.5])
        norm["moving_mean:0"], norm["moving_variance:0"] = np.array([5.0]), np.zeros(1)
    values, _ = weights_keras.read(path)
    layer = "backbone/res3/block_1/norm_1"
    assert values[f"{layer}/moving_mean"] == [2.0]
    assert values[f"{layer}/moving_variance"] + 1e-5 == pytest.approx([1.001e-5])


def test_another_network_is_refused_by_the_names_of_its_layers(tmp_path):
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as out:
        out["conv2_block1_preact_bn/conv2_block1_preact_bn/gamma:0"] = np.ones(3)
    with pytest.raises(errors.WeightsError, match="conv2_block1_preact_bn"):
        weights_keras.read(path)


def test_a_layer_without_its_norm_is_refused(file, tmp_path):
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as out:
        out["conv1_conv/conv1_conv/kernel:0"] = np.ones([7, 7, 3, 64])
    with pytest.raises(errors.WeightsError, match="conv1_bn/gamma"):
        weights_keras.read(path)


@pytest.mark.parametrize("size", [0, 100, 100_000])
def test_a_file_cut_off_is_refused(file, tmp_path, size):
    path = tmp_path / "w.h5"
    path.write_bytes(file.read_bytes()[:size])
    with pytest.raises(errors.WeightsError, match="not a whole HDF5 file"):
        weights_keras.read(path)
