import pytest

from model import config, image_sections
from model.network import backbones, efficientnet_lite, resnet, swin


@pytest.mark.parametrize(
    ("settings", "kind", "pixels"),
    [
        ({"depth": 18, "stem_width": 4}, resnet.ResNet, 123.675),
        (
            {"name": "efficientnet_lite2"},
            efficientnet_lite.EfficientNetLite,
            127.0,
        ),
        ({"name": "swin_tiny", "drop_path": 0.3}, swin.Swin, 123.675),
    ],
)
def test_a_name_gives_a_layer_and_what_its_weights_were_trained_with(
    settings, kind, pixels
):
    settings = config.BackboneConfig.model_validate({**settings, "trained_stages": 2})
    layer = backbones.build(settings, name="backbone", dtype="mixed_bfloat16")
    assert isinstance(layer, kind)
    assert (layer.name, layer.trained_stages) == ("backbone", 2)
    assert layer.compute_dtype == "bfloat16"
    assert len(layer.stages) == 4
    assert backbones.pixels("backbone", settings).mean[0] == pixels
    assert backbones.pixels("imagenet", settings) == image_sections.IMAGENET_PIXELS
    assert backbones.pixels("dataset", settings) is None


def test_every_name_of_the_configuration_is_built():
    names = config.BackboneConfig.model_fields["name"].annotation.__args__
    built = {backbones.build(config.BackboneConfig(name=name)) for name in names}
    assert len(built) == len(names) == 7
