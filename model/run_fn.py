"""Trainer's entry point: examples and a transform graph in, a SavedModel out."""

import functools
import hashlib
import json

import tensorflow as tf
from tfx.components.trainer import fn_args_utils

from foundation import artifact_paths
from model import config
from model.examples import dataset, preprocessing
from model.network import mask2former
from model.serve import export
from model.train import checkpoints, cluster, trainer
from model.weights import starting_weights

# What other workers have to know to train along.
_CALL = ("custom_config", "train_files", "transform_graph_path", "model_run_dir")


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
    """Trains and exports; of several workers only the chief exports.

    `custom_config` holds `config`, a `config.TrainerConfig` as JSON, and `info`, texts
    that the SavedModel carries along.
    """
    call = {name: getattr(fn_args, name) for name in _CALL}
    with cluster.announced(call, _node_folder(fn_args)):
        _train_and_export(fn_args)


def _train_and_export(fn_args: fn_args_utils.FnArgs) -> None:
    settings = config.TrainerConfig.model_validate_json(fn_args.custom_config["config"])
    recipe = settings.train
    unfinished = _unfinished_dir(fn_args)
    strategy = trainer.make_strategy(recipe)
    cluster.require_agreement(strategy, unfinished.name)
    transform_graph = artifact_paths.of(fn_args.transform_graph_path)
    transform = preprocessing.ImageTransform(transform_graph, settings.data)
    classes = preprocessing.read_categories(transform_graph)

    with strategy.scope():
        network = mask2former.build(
            settings.model, len(classes), recipe.precision, recipe.seed
        )
        if recipe.init_from:
            start = artifact_paths.of(recipe.init_from)
            starting_weights.load_into(network, start, classes)
    batches_from = functools.partial(
        dataset.train_dataset,
        sorted(f for pattern in fn_args.train_files for f in tf.io.gfile.glob(pattern)),
        classes,
        recipe,
        transform.mean.numpy(),
        transform.std.numpy(),
        recipe.seed,
        share=cluster.share(recipe.batch_size),
    )
    run_dir = artifact_paths.of(fn_args.model_run_dir)
    trainer.train(network, batches_from, recipe, run_dir, strategy, unfinished)

    if not cluster.is_chief():
        return
    module = export.ServingModule(
        network, transform, classes, settings.serve.max_detections
    )
    folder = artifact_paths.of(fn_args.serving_model_dir)
    export.save(module, folder, fn_args.custom_config["info"])
    checkpoints.move(unfinished, run_dir / "checkpoints")


def _unfinished_dir(fn_args: fn_args_utils.FnArgs) -> artifact_paths.Path:
    """Where this very training keeps its checkpoints until it is done.

    TFX removes the outputs of an execution that failed or was interrupted. This folder
    lies beside them and is named after everything training depends on, so the next
    execution of the same training goes on from it, and no other one does.
    """
    depends_on = [
        fn_args.custom_config,
        sorted(fn_args.train_files),
        fn_args.transform_graph_path,
    ]
    key = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    return _node_folder(fn_args) / "unfinished" / key[:16]


def _node_folder(fn_args: fn_args_utils.FnArgs) -> artifact_paths.Path:
    """`<pipeline root>/Trainer`, of `<pipeline root>/Trainer/model_run/<execution>`."""
    return artifact_paths.of(fn_args.model_run_dir).parents[1]
