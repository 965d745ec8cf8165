"""The backbones by the names a configuration gives them.

Each is a layer that turns images into features at strides 4, 8, 16 and 32, from four
`stages` that know their `channels`; it has a `stem` before them.
"""

from model import config, image_sections
from model.network import efficientnet_lite, resnet, staged, swin


def build(settings: config.BackboneConfig, **kwargs) -> staged.StagedBackbone:
    """The layer a configuration asks for.

    Args:
        kwargs: of every Keras layer, such as `name` and `dtype`.
    """
    if settings.name in efficientnet_lite.NAMES:
        return efficientnet_lite.EfficientNetLite.from_settings(settings, **kwargs)
    if settings.name in swin.SIZES:
        return swin.Swin.from_settings(settings, **kwargs)
    return resnet.ResNet.from_settings(settings, **kwargs)


def pixels(
    kind: str, settings: config.BackboneConfig
) -> image_sections.PixelStatistics | None:
    """What images are normalised with; None when it is to be measured.

    Args:
        kind: `pixel_statistics` of `image_sections.ImageConfig`.
    """
    if kind == "dataset":
        return None
    if kind == "imagenet":
        return image_sections.IMAGENET_PIXELS
    if settings.name in efficientnet_lite.NAMES:
        return efficientnet_lite.PIXELS
    if settings.name in swin.SIZES:
        return swin.PIXELS
    return resnet.PIXELS
