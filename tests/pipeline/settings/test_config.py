import pydantic
import pytest

from foundation import config_section
from pipeline.settings import config


def sections(section):
    """The section and every one below it."""
    yield section
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, config_section.Section):
            yield from sections(value)


def test_no_field_of_any_section_can_be_set_and_no_key_added():
    found = list(sections(config.PipelineConfig()))
    # The whole, its seven sections, those of model and train (with colour jitter),
    # those of kubeflow, the gate and its eight checks.
    assert len(found) == 1 + 7 + 6 + 4 + 1 + 8
    for section in found:
        for name in type(section).model_fields:
            with pytest.raises(pydantic.ValidationError, match="frozen"):
                setattr(section, name, getattr(section, name))
        with pytest.raises(pydantic.ValidationError, match="surplus"):
            type(section)(surplus=1)


@pytest.mark.parametrize(
    ("section", "last_good", "first_bad", "message"),
    [
        ("data", {"short_side": 1333}, {"short_side": 1334}, "short_side 1334 is lar"),
        ("data", {"pad_multiple": 64}, {"pad_multiple": 48}, "pad_multiple 48 is not"),
        (
            "model",
            {"pixel_decoder": {"channels": 96, "num_heads": 6}},
            {"pixel_decoder": {"channels": 96, "num_heads": 5}},
            "96 is not divisible by pixel_decoder.num_heads 5",
        ),
        (
            "model",
            {"decoder": {"channels": 12, "num_heads": 2}},
            {"decoder": {"channels": 10, "num_heads": 2}},
            "multiples of 4",
        ),
        (
            "model",
            {"backbone": {"name": "efficientnet_lite0", "depth": 50}},
            {"backbone": {"name": "efficientnet_lite0", "depth": 18}},
            "model.backbone.depth 18 is a ResNet's; efficientnet_lite0 has one size",
        ),
        (
            "model",
            {"backbone": {"name": "efficientnet_lite2", "stem_width": 64}},
            {"backbone": {"name": "efficientnet_lite2", "stem_width": 24}},
            "model.backbone.stem_width 24 .* Leave stem_width out",
        ),
        (
            "train",
            {"augment": {"min_scale": 2.0}},
            {"augment": {"min_scale": 2.1}},
            "min_scale 2.1 is larger than max_scale 2.0",
        ),
        (
            "train",
            {"batch_size": 6, "micro_batches": 3},
            {"batch_size": 6, "micro_batches": 4},
            "batch_size 6 is not divisible by micro_batches 4",
        ),
    ],
)
def test_fields_that_do_not_fit_each_other_are_refused_and_only_those(
    section, last_good, first_bad, message
):
    config.PipelineConfig.model_validate({section: last_good})
    with pytest.raises(pydantic.ValidationError, match=message):
        config.PipelineConfig.model_validate({section: first_bad})


def test_defaults_are_the_papers_recipe():
    settings = config.PipelineConfig()
    loss, train = settings.train.loss, settings.train
    # Mask2Former, section 4.1 and its published R50 configuration.
    assert (loss.class_weight, loss.mask_weight, loss.dice_weight) == (2, 5, 5)
    assert loss.no_object_weight == 0.1
    assert loss.num_points == 112 * 112
    assert (loss.oversample_ratio, loss.importance_ratio) == (3, 0.75)
    assert (train.learning_rate, train.weight_decay) == (1e-4, 0.05)
    assert train.backbone_lr_multiplier == 0.1
    assert (train.augment.min_scale, train.augment.max_scale) == (0.1, 2)
    assert train.augment.crop_size == 1024
    # 50 epochs of train2017's 118 287 images, sixteen at a time.
    assert train.batch_size == 16
    assert train.steps * 16 / 118_287 == pytest.approx(50, rel=0.005)
    drops = [round(share * train.steps) for share in train.milestones]
    assert drops == pytest.approx([327_778, 355_092], abs=200)
    model = settings.model
    assert (model.backbone.depth, model.backbone.norm) == (50, "frozen_batch")
    assert (model.pixel_decoder.num_encoder_layers, model.decoder.num_layers) == (6, 9)
    assert model.decoder.num_queries == 100
    assert (settings.data.short_side, settings.data.long_side) == (800, 1333)


def test_a_configuration_from_before_other_backbones_reads_as_a_resnet():
    old = config.PipelineConfig().model_dump(mode="json")
    del old["model"]["backbone"]["name"]
    old["data"]["pixel_statistics"] = "imagenet"
    found = config.PipelineConfig.model_validate(old)
    assert found.model == config.PipelineConfig().model
    assert found.data.pixel_statistics == "imagenet"


def test_json_reads_back_as_the_same_configuration_and_tells_another_apart():
    settings = config.PipelineConfig.model_validate(
        {
            "train": {"milestones": [0.5], "seed": 3},
            "data": {"gate": {"class_drift": {"limit": 1}}},
        }
    )
    text = settings.to_json()
    assert config.PipelineConfig.model_validate_json(text) == settings
    assert text != config.PipelineConfig().to_json()
    reordered = config.PipelineConfig.model_validate(
        {
            "data": {"gate": {"class_drift": {"limit": 1}}},
            "train": {"seed": 3, "milestones": [0.5]},
        }
    )
    assert reordered.to_json() == text
