"""Trainer's entry point: examples and a transform graph in, a SavedModel out."""

from tfx.components.trainer import fn_args_utils

from foundation import artifact_paths, progress
from model import config, training
from model.train import cluster, unfinished

# What other workers have to know to train along.
_CALL = (
    "custom_config",
    "train_files",
    "eval_files",
    "transform_graph_path",
    "model_run_dir",
)


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
    """Trains and exports; of several workers only the chief exports.

    `custom_config` holds `config`, a `config.TrainerConfig` as JSON, and `info`, texts
    that the SavedModel carries along.
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
    return training.Order(
        settings=config.TrainerConfig.model_validate_json(
            fn_args.custom_config["config"]
        ),
        train_files=train_files,
        eval_files=eval_files,
        transform_graph=artifact_paths.of(fn_args.transform_graph_path),
        info=fn_args.custom_config.get("info", {}),
        examples_name=[*train_files, *eval_files],
        graph_name=fn_args.transform_graph_path,
    )


def _node_folder(fn_args: fn_args_utils.FnArgs) -> artifact_paths.Path:
    """`<pipeline root>/Trainer`, of `<pipeline root>/Trainer/model_run/<execution>`."""
    return artifact_paths.of(fn_args.model_run_dir).parents[1]
