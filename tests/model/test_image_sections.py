import pydantic
import pytest

from model import image_sections


@pytest.mark.parametrize(
    ("last_good", "first_bad", "message"),
    [
        (
            {"short_side": 640, "long_side": 640},
            {"short_side": 641, "long_side": 640},
            "short_side 641 is larger than long_side 640",
        ),
        ({"pad_multiple": 64}, {"pad_multiple": 48}, "48 is not a multiple of 32"),
        (
            {"pixel_statistics": "dataset"},
            {"pixel_statistics": "photos"},
            "pixel_statistics",
        ),
    ],
)
def test_sizes_that_do_not_fit_each_other_are_refused(last_good, first_bad, message):
    image_sections.ImageConfig.model_validate(last_good)
    with pytest.raises(pydantic.ValidationError, match=message):
        image_sections.ImageConfig.model_validate(first_bad)


def test_imagenet_pixels_are_those_of_torchvision():
    pixels = image_sections.IMAGENET_PIXELS
    assert [each / 255 for each in pixels.mean] == pytest.approx([0.485, 0.456, 0.406])
    assert [each / 255 for each in pixels.std] == pytest.approx([0.229, 0.224, 0.225])
