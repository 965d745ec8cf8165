"""Trainer's entry point: examples and a transform graph in, a SavedModel out."""

import functools
import re
from collections.abc import Sequence

import tensorflow as tf
from tfx.components.trainer import fn_args_utils

from foundation import artifact_paths, errors, progress
from model import config
from model.examples import dataset, preprocessing
from model.network import mask2former
from model.serve import export
from model.train import cluster, trainer, unfinished
from model.weights import starting_weights

# What other workers have to know to train along.
_CALL = ("custom_config", "train_files", "transform_graph_path", "model_run_dir")
_SHARD = re.compile(r"(.*-)\d{5}(-of-(\d{5}).*)")


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
    training = _description(fn_args, settings)
    place = unfinished.folder_of(_node_folder(fn_args), training)
    strategy = trainer.make_strategy(recipe)
    cluster.require_agreement(strategy, place.name)
    transform_graph = artifact_paths.of(fn_args.transform_graph_path)
    transform = preprocessing.ImageTransform(transform_graph, settings.data)
    classes = preprocessing.read_categories(transform_graph)

    with strategy.scope():
        network = mask2former.build(
            settings.model, len(classes), recipe.precision, recipe.seed
        )
        if recipe.init_from:
            starting_weights.load_into(network, recipe.init_from, classes)
    batches_from = functools.partial(
        dataset.train_dataset,
        training_files(fn_args.train_files),
        classes,
        recipe,
        transform.mean.numpy(),
        transform.std.numpy(),
        recipe.seed,
        share=cluster.share(recipe.batch_size),
    )
    other = unfinished.tell_of_another(_node_folder(fn_args), training)
    if other and cluster.is_chief():
        progress.tell(other)
    trainer.train(network, batches_from, recipe, place, strategy, training)

    if not cluster.is_chief():
        return
    module = export.ServingModule(
        network, transform, classes, settings.serve.max_detections
    )
    folder = artifact_paths.of(fn_args.serving_model_dir)
    export.save(module, folder, fn_args.custom_config["info"])
    unfinished.hand_over(place, artifact_paths.of(fn_args.model_run_dir))


def _description(
    fn_args: fn_args_utils.FnArgs, settings: config.TrainerConfig
) -> dict[str, object]:
    """See `unfinished.description`."""
    return unfinished.description(
        settings,
        fn_args.train_files,
        fn_args.transform_graph_path,
        fn_args.custom_config.get("info", {}),
    )


def training_files(patterns: Sequence[str]) -> list[str]:
    """All files that the patterns stand for, in order.

    Raises:
        PipelineError: there are none, or fewer than their names say.
    """
    files = sorted(file for each in patterns for file in tf.io.gfile.glob(each))
    lacking = sorted(_shards(files) - set(files))
    if not files or lacking:
        what = f"{lacking[0]} is missing" if lacking else f"no file in {patterns}"
        raise errors.PipelineError(
            f"the examples cannot be read: {what}. What CocoExampleGen stored was "
            "removed; ingest again with run.enable_cache=false."
        )
    return files


def _shards(files: Sequence[str]) -> set[str]:
    """Names of all shards that files tell of, such as `data-00001-of-00004.gz`."""
    found = filter(None, map(_SHARD.fullmatch, files))
    return {
        f"{match[1]}{number:05d}{match[2]}"
        for match in found
        for number in range(int(match[3]))
    }


def _node_folder(fn_args: fn_args_utils.FnArgs) -> artifact_paths.Path:
    """`<pipeline root>/Trainer`, of `<pipeline root>/Trainer/model_run/<execution>`."""
    return artifact_paths.of(fn_args.model_run_dir).parents[1]
