import pytest

from foundation import errors
from pipeline import node_settings
from pipeline.settings import config, config_file


def started(**backbone):
    return config.PipelineConfig.model_validate(
        {"model": {"backbone": backbone}, "train": {"init_from": "imagenet"}}
    )


def test_weights_that_come_along_are_part_of_the_cache_key():
    found = [
        node_settings.initial_weights(
            started(name=f"efficientnet_lite{size}", norm=norm)
        )
        for size, norm in ((0, "batch"), (0, "frozen_batch"), (2, "frozen_batch"))
    ]
    assert found[0] == found[1] != found[2]
    # The first digits of the files' names are those of their SHA-256.
    assert found[0]["initial_weights"].startswith("57934424")
    assert found[2]["initial_weights"].startswith("9656183e")


@pytest.mark.parametrize(
    ("backbone", "kind", "message"),
    [
        ({}, errors.ConfigError, "name=resnet.*efficientnet_lite0.*weights convert"),
        (
            {"name": "efficientnet_lite0", "norm": "group"},
            errors.WeightsError,
            "(?s)imagenet holds.*norm: expected group, got batch norm .set frozen_b",
        ),
    ],
)
def test_weights_that_do_not_come_along_or_fit_are_refused(backbone, kind, message):
    with pytest.raises(kind, match=message):
        node_settings.initial_weights(started(**backbone))


@pytest.mark.parametrize("preset", ["custom.yaml", "small.yaml"])
def test_the_presets_for_own_data_start_from_weights_that_come_along(preset):
    settings = config_file.load(preset)
    assert settings.train.init_from == "imagenet"
    assert node_settings.initial_weights(settings)["initial_weights"]
