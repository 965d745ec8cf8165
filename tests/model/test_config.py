import pydantic
import pytest

from model import config


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
            {"pixel_decoder": {"channels": 96, "norm_groups": 24}},
            {"pixel_decoder": {"channels": 96, "norm_groups": 20}},
            "96 is not divisible by pixel_decoder.norm_groups 20",
        ),
        (
            "model",
            {"decoder": {"channels": 12, "num_heads": 2}},
            {"decoder": {"channels": 10, "num_heads": 2}},
            "multiples of 4",
        ),
        (
            "model",
            {"decoder": {"channels": 12, "num_heads": 3}},
            {"decoder": {"channels": 12, "num_heads": 5}},
            "channels 12 is not divisible by decoder.num_heads 5",
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
            "model",
            {"backbone": {"name": "swin_tiny", "depth": 50}},
            {"backbone": {"name": "swin_tiny", "depth": 101}},
            "model.backbone.depth 101 is a ResNet's; swin_tiny has one size",
        ),
        (
            "model",
            {"backbone": {"name": "swin_large", "norm": "frozen_batch"}},
            {"backbone": {"name": "swin_large", "norm": "group"}},
            "norm group: swin_large has layer norms.*Leave norm out",
        ),
        (
            "model",
            {"backbone": {"name": "swin_base", "drop_path": 0.3}},
            {"backbone": {"name": "efficientnet_lite0", "drop_path": 0.3}},
            "drop_path 0.3 is Swin's; efficientnet_lite0 drops nothing",
        ),
        (
            "model",
            {"backbone": {"name": "resnet", "drop_path": 0.0}},
            {"backbone": {"name": "resnet", "drop_path": 0.1}},
            "drop_path 0.1 is Swin's; resnet drops nothing",
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
    config.TrainerConfig.model_validate({section: last_good})
    with pytest.raises(pydantic.ValidationError, match=message):
        config.TrainerConfig.model_validate({section: first_bad})


@pytest.mark.parametrize(
    ("kind", "key", "last_good", "first_bad"),
    [
        (config.BackboneConfig, "depth", 101, 152),
        (config.BackboneConfig, "trained_stages", 5, 6),
        (config.BackboneConfig, "trained_stages", 0, -1),
        (config.PixelDecoderConfig, "num_encoder_layers", 0, -1),
        (config.DecoderConfig, "num_layers", 1, 0),
        (config.TrainConfig, "ema_decay", 0.9999, 1.0),
        (config.TrainConfig, "milestones", (1.0,), (1.01,)),
        (config.TrainConfig, "schedule", "constant", "linear"),
        (config.TrainConfig, "steps", 1, 0),
        (config.TrainConfig, "steps", "auto", "all"),
        (config.TrainConfig, "steps", 2, True),
        (config.TrainConfig, "epochs", 1, 0),
        (config.TrainConfig, "layer_decay", 1.0, 1.01),
        (config.TrainConfig, "layer_decay", 0.01, 0.0),
        (config.TrainConfig, "scale_lr_for_batch", 0, -1),
    ],
)
def test_a_value_of_its_own_ends_where_it_has_no_meaning(
    kind, key, last_good, first_bad
):
    assert getattr(kind.model_validate({key: last_good}), key) == last_good
    with pytest.raises(pydantic.ValidationError, match=key):
        kind.model_validate({key: first_bad})


@pytest.mark.parametrize("wrong", [-0.1, 1.0])
def test_a_branch_is_dropped_with_a_probability_below_one(wrong):
    with pytest.raises(pydantic.ValidationError, match="drop_path"):
        config.BackboneConfig(name="swin_tiny", drop_path=wrong)


def test_only_swin_has_layer_norms():
    names = config.BackboneConfig.model_fields["name"].annotation.__args__
    swins = {n for n in names if config.BackboneConfig(name=n).is_swin}
    assert swins == {f"swin_{size}" for size in ("tiny", "small", "base", "large")}


def test_a_swin_takes_no_batch_statistics_in_parts():
    settings = config.ModelConfig(backbone=config.BackboneConfig(name="swin_tiny"))
    config.check_norm(settings, config.TrainConfig(micro_batches=4), num_replicas=2)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, (368_750, None)),
        ({"steps": "auto"}, ("auto", None)),
        ({"epochs": 12}, (None, 12)),
        ({"epochs": 12, "steps": None}, (None, 12)),
        ({"epochs": None}, (368_750, None)),
    ],
)
def test_steps_or_epochs_say_how_long_and_are_read_back_as_they_were(given, found):
    settings = config.TrainConfig.model_validate(given)
    assert (settings.steps, settings.epochs) == found
    read = config.TrainConfig.model_validate_json(settings.model_dump_json())
    assert read == settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 9, "epochs": 3}, "train.steps 9 and train.epochs 3: both are"),
        ({"steps": 368_750, "epochs": 3}, "both are given.*steps=null"),
        ({"steps": "auto", "epochs": 3}, "steps auto and .* both are given"),
        ({"steps": None}, "neither is given"),
    ],
)
def test_exactly_one_says_how_long(given, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        config.TrainConfig.model_validate(given)


def test_how_many_steps_is_asked_for_only_when_it_is_known():
    assert config.TrainConfig(steps=9).num_steps == 9
    with pytest.raises(TypeError, match="auto is no number yet"):
        _ = config.TrainConfig(steps="auto").num_steps


def test_the_trainer_reads_back_exactly_what_it_is_sent():
    # 0.1 + 0.2 has 17 digits; a tuple is a list in JSON.
    sent = config.TrainerConfig.model_validate(
        {
            "name": "a",
            "train": {"learning_rate": 0.1 + 0.2, "milestones": [0.5, 0.75]},
            "model": {"backbone": {"depth": 18}},
        }
    )
    read = config.TrainerConfig.model_validate_json(sent.model_dump_json())
    assert read == sent
    assert read.train.milestones == (0.5, 0.75)


def test_defaults_are_the_papers_recipe():
    settings = config.TrainerConfig()
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
