"""Trainer's entry point: examples and a transform graph in, a SavedModel out."""

import json
from collections.abc import Mapping
from typing import Any

from tfx.components.trainer import fn_args_utils

from foundation import artifact_paths, progress
from model import config, training, tune_section
from model.train import cluster, unfinished

# What other workers have to know to train along.
_CALL = (
    "custom_config",
    "hyperparameters",
    "train_files",
    "eval_files",
    "transform_graph_path",
    "model_run_dir",
)


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
    """Trains and exports; of several workers only the chief exports.

    `custom_config` holds `config`, a `config.TrainerConfig` as JSON, and `info`, texts
    that the SavedModel carries along. `hyperparameters` are the best of a Tuner.
    """
    call = {name: getattr(fn_args, name) for name in _CALL}
    with cluster.announced(call, _node_folder(fn_args)):
        _train_and_export(fn_args)


def _train_and_export(fn_args: fn_args_utils.FnArgs) -> None:
    node_folder = _node_folder(fn_args)
    made = training.Training(order(fn_args))
    place = unfinished.folder_of(node_folder, made.description)
    cluster.require_agreement(made.strategy, place.name)
    if cluster.is_chief():
        if values := tuned(fn_args):
            progress.tell(f"trained with what was tuned: {tune_section.told(values)}")
        line = unfinished.tell_of_another(node_folder, made.description)
        if line:
            progress.tell(line)
    trained = made.run(place)
    if cluster.is_chief():
        trained.export(artifact_paths.of(fn_args.serving_model_dir))
        unfinished.hand_over(place, artifact_paths.of(fn_args.model_run_dir))


def order(fn_args: fn_args_utils.FnArgs) -> training.Order:
    """What TFX wants trained; a folder of artifacts stands for what is in it."""
    train_files, eval_files = fn_args.train_files, fn_args.eval_files or []
    settings = config.TrainerConfig.model_validate_json(fn_args.custom_config["config"])
    values = tuned(fn_args)
    return training.Order(
        settings=tune_section.overlaid(settings, values),
        train_files=train_files,
        eval_files=eval_files,
        transform_graph=artifact_paths.of(fn_args.transform_graph_path),
        info=_with_tuned(fn_args.custom_config.get("info", {}), values),
        examples_name=[*train_files, *eval_files],
        graph_name=fn_args.transform_graph_path,
    )


def tuned(fn_args: fn_args_utils.FnArgs) -> dict[str, Any]:
    """Best values of a Tuner by the key of the configuration; empty without one."""
    return (fn_args.hyperparameters or {}).get("values", {})


def _with_tuned(info: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """The model's configuration is what it was trained with."""
    if not values:
        return dict(info)
    origin = tune_section.overlay(json.loads(info["config"]), values)
    return {**info, "config": json.dumps(origin)}


def _node_folder(fn_args: fn_args_utils.FnArgs) -> artifact_paths.Path:
    """`<pipeline root>/Trainer`, of `<pipeline root>/Trainer/model_run/<execution>`."""
    return artifact_paths.of(fn_args.model_run_dir).parents[1]
