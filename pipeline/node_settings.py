"""What Transform, Tuner and Trainer are told of the configuration: what they depend on.

The graph puts it into execution properties, which are part of the cache key; `m2f
train` calls the same code with the same. No TFX here.
"""

from components import wire
from model import config as model_config
from model import image_sections, tune_section
from model.network import backbones
from model.train import starting_point
from pipeline.nodes import code_digest
from pipeline.settings import config

# Numbers take the place of the word that says what images are normalised with.
_IMAGE_KEYS = set(image_sections.ImageConfig.model_fields) - {"pixel_statistics"}
_TRAINER_KEYS = {
    "name": True,
    "model": True,
    "train": True,
    "serve": set(model_config.ExportConfig.model_fields),
}


def of_transform(settings: config.PipelineConfig) -> dict[str, str]:
    """Transform's `custom_config`, see `preprocessing.preprocessing_fn`."""
    kind = settings.data.pixel_statistics
    pixels = backbones.pixels(kind, settings.model.backbone)
    return {
        wire.TRANSFORM_CONFIG: settings.data.model_dump_json(include=_IMAGE_KEYS),
        **({wire.TRANSFORM_PIXELS: pixels.model_dump_json()} if pixels else {}),
        wire.CODE_DIGEST: code_digest.of_node("Transform"),
    }


def of_trainer(settings: config.PipelineConfig) -> dict[str, str | dict[str, str]]:
    """The Trainer's `custom_config`, see `run_fn.run_fn`.

    Raises:
        ConfigError, WeightsError: as in `initial_weights`.
    """
    settings = _with_start(settings)
    # What a model says of its origin; `m2f evaluate` reads its data as it was read.
    origin = settings.model_dump_json(
        include={
            **_TRAINER_KEYS,
            "data": set(config.DataConfig.model_fields) - {"gate"},
        }
    )
    return {
        wire.TRAINER_CONFIG: _as_json(_trainer_config(settings)),
        wire.TRAINER_INFO: {
            "config": origin,
            wire.CODE_DIGEST: code_digest.of_node("Trainer"),
            **initial_weights(settings),
        },
    }


def of_tuner(settings: config.PipelineConfig) -> dict[str, str | dict[str, str]]:
    """The Tuner's `custom_config`, see `tune_fn.tuner_fn`.

    Raises:
        ConfigError, WeightsError: as in `initial_weights`.
    """
    settings = _with_start(settings)
    trial = tune_section.of_trials(_trainer_config(settings), settings.tune)
    return {
        wire.TRAINER_CONFIG: _as_json(trial),
        wire.TUNER_CONFIG: settings.tune.model_dump_json(),
        wire.TRAINER_INFO: {
            wire.CODE_DIGEST: code_digest.of_node("Tuner"),
            **initial_weights(settings),
        },
    }


def _trainer_config(settings: config.PipelineConfig) -> model_config.TrainerConfig:
    """Only what training depends on: a new threshold must not train again."""
    values = settings.model_dump(include={**_TRAINER_KEYS, "data": _IMAGE_KEYS})
    return model_config.TrainerConfig.model_validate(values)


def _as_json(settings: model_config.TrainerConfig) -> str:
    # Transform made numbers of it.
    return settings.model_dump_json(exclude={"data": {"pixel_statistics"}})


def _with_start(settings: config.PipelineConfig) -> config.PipelineConfig:
    """Names the very version or checkpoint that training starts from.

    A later one makes another configuration, which trains anew, and the lineage of a
    model names what it started from.
    """
    start = starting_point.resolved(settings.train.init_from)
    train = settings.train.model_copy(update={"init_from": start})
    return settings.model_copy(update={"train": train})


def initial_weights(settings: config.PipelineConfig) -> dict[str, str]:
    """Digest of the weights training starts from: other content is no cache hit.

    Raises:
        ConfigError: there are none, and the network cannot be trained without.
        WeightsError: they cannot be read, or do not fit the configured network.
    """
    start = settings.train.init_from
    starting_point.check(start, settings.model)
    if start is None:
        return {}
    digest = starting_point.digest(start, settings.model.backbone)
    return {wire.INITIAL_WEIGHTS: digest}
