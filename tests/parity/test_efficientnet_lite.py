"""Against efficientnet_lite_pytorch, by numbers from tools/make_backbone_fixtures.py.

The weights are those that come with the program.
"""

import pathlib

import numpy as np
import pytest
from PIL import Image

from model import config
from model.network import backbones
from model.weights import bundled_weights, torch_files

pytestmark = pytest.mark.onednn

FIXTURES = pathlib.Path(__file__).with_name("fixtures") / "efficientnet_lite"
PHOTO_FOLDER = FIXTURES.with_name("photos")


def settings_of(name):
    return config.BackboneConfig(name=f"efficientnet_{name}")


def built(settings):
    """The backbone with its ImageNet weights."""
    layer = backbones.build(settings, name="backbone")
    layer.build((None, None, None, 3))
    values, _ = bundled_weights.read(settings)
    assert {weight.path for weight in layer.weights} == set(values)
    for weight in layer.weights:
        weight.assign(values[weight.path])
    return layer


def normalised(pixels, settings):
    found = backbones.pixels("backbone", settings)
    return ((pixels - np.array(found.mean)) / np.array(found.std)).astype(np.float32)


def classified(features, settings):
    """Logits of ImageNet's 1000 classes: the head of the same file, in NumPy.

    Args:
        features: float32 [B, h, w, C], at stride 32.
    """
    weights = torch_files.read(bundled_weights.path_of(settings))
    kernel = weights["_conv_head.weight"][:, :, 0, 0]  # [1280, C]
    scale = weights["_bn1.weight"] / np.sqrt(weights["_bn1.running_var"] + 1e-3)
    shift = weights["_bn1.bias"] - weights["_bn1.running_mean"] * scale
    inside = np.clip(features @ kernel.T * scale + shift, 0, 6)
    return inside.mean(axis=(1, 2)) @ weights["_fc.weight"].T + weights["_fc.bias"]


@pytest.mark.parametrize("name", ["lite0", "lite2"])
def test_features_and_classes_equal_the_reference(name):
    settings = settings_of(name)
    with np.load(FIXTURES / f"{name}.npz", allow_pickle=False) as file:
        reference = dict(file)
    features = built(settings)(normalised(reference["pixels"], settings))
    for number, found in enumerate(features, start=1):
        wanted = reference[f"stage_{number}"]
        assert 1 < wanted.std() < 20
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    found = classified(features[-1].numpy(), settings)
    np.testing.assert_allclose(found, reference["logits"], atol=1e-4)


# ImageNet's class indices; a cat may be a tabby, a tiger cat or an Egyptian one.
PHOTOS = {
    "cat": (281, 282, 285),
    "clock": (409, 892),  # analog clock, wall clock
    "espresso": (967,),
    "palace": (698,),
    "rocket": (657, 744),  # missile, projectile
    "shuttle": (812,),
    "tripod": (872,),
    "uniform": (652,),
}


def test_every_photo_has_a_class_and_is_small():
    files = {path.stem: path for path in PHOTO_FOLDER.glob("*.jpg")}
    assert sorted(files) == sorted(PHOTOS)
    assert max(path.stat().st_size for path in files.values()) <= 15_000
    readme = (PHOTO_FOLDER / "README.md").read_text()
    assert [name for name in files if f"`{name}.jpg`" not in readme] == []


@pytest.mark.parametrize(("name", "side"), [("lite0", 224), ("lite2", 260)])
def test_photos_are_classified_by_what_they_show(name, side):
    settings = settings_of(name)
    layer = built(settings)
    found = {}
    for photo in PHOTOS:
        picture = Image.open(PHOTO_FOLDER / f"{photo}.jpg").resize((side, side))
        features = layer(normalised(np.asarray(picture)[None], settings))
        found[photo] = int(classified(features[-1].numpy(), settings).argmax())
    right = [photo for photo, index in found.items() if index in PHOTOS[photo]]
    assert len(right) >= len(PHOTOS) - 1, found
