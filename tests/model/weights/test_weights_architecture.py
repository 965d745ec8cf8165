import keras
import numpy as np
import pytest

from foundation import errors
from model import config
from model.network import backbones, mask2former
from model.weights import weights_architecture

# He et al. 2015, table 1: blocks of the four stages.
RESNETS = {
    18: ([2, 2, 2, 2], 2),
    34: ([3, 4, 6, 3], 2),
    50: ([3, 4, 6, 3], 3),
    101: ([3, 4, 23, 3], 3),
}


def resnet(blocks, convolutions, width=64):
    """Names of a ResNet's kernels; only the stem has a shape that is read."""
    found = {"backbone/stem/conv/kernel": np.zeros([7, 7, 3, width])}
    for stage, count in enumerate(blocks, start=2):
        for block in range(count):
            for number in range(1, convolutions + 1):
                name = f"backbone/res{stage}/block_{block}/conv_{number}/kernel"
                found[name] = np.zeros([1])
    return found


@pytest.mark.parametrize("depth", RESNETS)
def test_depth_follows_from_the_blocks_and_width_from_the_stem(depth):
    found = weights_architecture.backbone_of(resnet(*RESNETS[depth], 24), "f")
    assert (found.depth, found.stem_width) == (depth, 24)


def test_a_resnet_that_is_not_built_here_is_refused_with_its_blocks():
    with pytest.raises(
        errors.WeightsError, match=r"^f holds.*\(3, 8, 36, 3\) bottleneck"
    ):
        weights_architecture.backbone_of(resnet([3, 8, 36, 3], 3), "f")  # ResNet-152
    with pytest.raises(errors.WeightsError, match=r"\(2, 2, 2, 2\) bottleneck"):
        weights_architecture.backbone_of(resnet([2, 2, 2, 2], 3), "f")


def swin_of(name):
    """Weights by our names, of which only shapes are read."""
    layer = backbones.build(config.BackboneConfig(name=name), name="backbone")
    with keras.StatelessScope(initialize_variables=False):
        layer.build((None, None, None, 3))
    return {weight.path: np.broadcast_to(0.0, weight.shape) for weight in layer.weights}


@pytest.mark.parametrize("name", ["swin_tiny", "swin_small", "swin_base", "swin_large"])
def test_a_swin_is_told_by_its_blocks_width_heads_and_window(name):
    found = swin_of(name)
    settings = weights_architecture.backbone_of(found, "f")
    assert settings == config.BackboneConfig(name=name)


def test_a_swin_with_a_weight_less_or_more_is_refused():
    found, settings = swin_of("swin_tiny"), config.BackboneConfig(name="swin_tiny")
    weights_architecture.check(found, settings, 0, "f")
    del found["backbone/stage_3/merging/norm/beta"]
    with pytest.raises(errors.WeightsError, match=r"missing:\n  backbone/stage_3"):
        weights_architecture.check(found, settings, 0, "f")


def test_a_swin_that_is_not_built_here_is_refused_with_its_sizes():
    found = swin_of("swin_base")
    for name in found:
        if name.endswith("relative_position_bias"):
            found[name] = np.zeros([13**2, found[name].shape[1]])
    with pytest.raises(
        errors.WeightsError, match=r"a Swin of 128 channels.*windows of 7 pixels"
    ):
        weights_architecture.backbone_of(found, "f")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
def test_an_efficientnet_is_told_by_its_blocks(name):
    layer = backbones.build(config.BackboneConfig(name=name), name="backbone")
    layer.build((None, None, None, 3))
    found = {weight.path: np.zeros(weight.shape) for weight in layer.weights}
    settings = weights_architecture.backbone_of(found, "f")
    assert settings == config.BackboneConfig(name=name)
    weights_architecture.check(found, settings, 0, "f")
    del found["backbone/stage_1/block_2/norm_expand/beta"]
    with pytest.raises(errors.WeightsError, match=r"missing:\n  backbone/stage_1"):
        weights_architecture.check(found, settings, 0, "f")


def test_an_efficientnet_that_is_not_built_here_is_refused():
    found = {f"backbone/stage_1/block_{n}/conv_project/kernel": None for n in range(9)}
    with pytest.raises(errors.WeightsError, match="an EfficientNet of 9 blocks"):
        weights_architecture.backbone_of(found, "f")


def test_every_number_of_a_network_is_read_back_from_its_shapes():
    settings = config.ModelConfig.model_validate(
        {  # no number twice, so none can be taken for another
            "backbone": {"depth": 18, "stem_width": 6},
            "pixel_decoder": {
                "channels": 32,
                "num_encoder_layers": 1,
                "num_heads": 4,
                "feedforward_channels": 9,
            },
            "decoder": {
                "channels": 20,
                "num_queries": 7,
                "num_layers": 2,
                "num_heads": 4,
                "feedforward_channels": 11,
                "mask_channels": 13,
            },
        }
    )
    shapes = weights_architecture.shapes_of(mask2former.build(settings, 5))
    weights = {name: np.zeros(shape) for name, shape in shapes.items()}
    assert weights_architecture.network_of(weights, "f") == (settings, 5)
    del weights["decoder/class_head/kernel"]
    with pytest.raises(errors.WeightsError, match="class_head/kernel is missing"):
        weights_architecture.network_of(weights, "f")


def test_differences_are_listed_by_kind_and_cut_after_twenty():
    expected = {"same": (2, 3), "turned": (2, 3)} | {
        f"gone_{number:02}": (1,) for number in range(22)
    }
    found = {"same": (2, 3), "turned": (3, 2), "more": (4,)}
    with pytest.raises(errors.WeightsError) as caught:
        weights_architecture.compare(found, expected, "f")
    gone = [f"  gone_{number:02}" for number in range(20)]
    assert str(caught.value).split("\n") == [
        "f holds another architecture.",
        "22 missing:",
        *gone,
        "  ... and 2 more",
        "1 left over:",
        "  more",
        "1 of another shape:",
        "  turned: expected (2, 3), got (3, 2)",
    ]
    weights_architecture.compare(expected, dict(reversed(expected.items())), "f")
