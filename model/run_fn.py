"""Trainer's entry point: examples and a transform graph in, a SavedModel out."""

import functools
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tfx.components.trainer import fn_args_utils

from foundation import artifact_paths, errors, progress
from model import config
from model.evaluation import judge
from model.examples import categories, dataset, preprocessing
from model.network import mask2former
from model.serve import export
from model.train import cluster, starting_point, trainer, unfinished

# What other workers have to know to train along.
_CALL = (
    "custom_config",
    "train_files",
    "eval_files",
    "transform_graph_path",
    "model_run_dir",
)
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
    strategy = trainer.make_strategy(recipe)
    transform_graph = artifact_paths.of(fn_args.transform_graph_path)
    classes = preprocessing.read_categories(transform_graph)
    training = _description(fn_args, settings, classes)
    place = unfinished.folder_of(_node_folder(fn_args), training)
    cluster.require_agreement(strategy, place.name)
    transform = preprocessing.ImageTransform(transform_graph, settings.data)
    network = _network(settings, classes, strategy)
    module = export.ServingModule(
        network, transform, classes, settings.serve.max_detections
    )
    if cluster.is_chief():
        line = unfinished.tell_of_another(_node_folder(fn_args), training)
        if line:
            progress.tell(line)
    batches_from = _batches(fn_args, recipe, transform, classes)
    ask = _judge(fn_args, recipe, module)
    result = trainer.train(
        network, batches_from, recipe, place, strategy, training, ask
    )
    if cluster.is_chief():
        folder = artifact_paths.of(fn_args.serving_model_dir)
        outcome = json.dumps(result.to_facts(), allow_nan=False)
        info = {**fn_args.custom_config["info"], "training": outcome}
        export.save(module, folder, info)
        unfinished.hand_over(place, artifact_paths.of(fn_args.model_run_dir))


def _description(
    fn_args: fn_args_utils.FnArgs,
    settings: config.TrainerConfig,
    classes: Sequence[categories.Category],
) -> dict[str, Any]:
    """See `unfinished.description`."""
    return unfinished.description(
        settings,
        [*fn_args.train_files, *(fn_args.eval_files or [])],
        fn_args.transform_graph_path,
        fn_args.custom_config.get("info", {}),
        [(each.category_id, each.name) for each in classes],
    )


def _network(
    settings: config.TrainerConfig,
    classes: Sequence[categories.Category],
    strategy: tf.distribute.Strategy,
) -> mask2former.Mask2Former:
    """The network as it is before its first step."""
    recipe = settings.train
    notices: list[str] = []
    with strategy.scope():
        network = mask2former.build(
            settings.model, len(classes), recipe.precision, recipe.seed
        )
        if recipe.init_from:
            notices = starting_point.load_into(network, recipe.init_from, classes)
    for notice in notices if cluster.is_chief() else ():
        progress.tell(notice)
    return network


def _batches(
    fn_args: fn_args_utils.FnArgs,
    recipe: config.TrainConfig,
    transform: preprocessing.ImageTransform,
    classes: Sequence[categories.Category],
) -> Callable[[int], tf.data.Dataset]:
    """Gives this process's part of the batches from a step on."""
    return functools.partial(
        dataset.train_dataset,
        training_files(fn_args.train_files),
        classes,
        recipe,
        transform.mean.numpy(),
        transform.std.numpy(),
        recipe.seed,
        share=cluster.share(recipe.batch_size),
    )


def _judge(
    fn_args: fn_args_utils.FnArgs,
    recipe: config.TrainConfig,
    module: export.ServingModule,
) -> judge.Judge | None:
    """Scores the network on the eval split; None when the data has none."""
    patterns = fn_args.eval_files or []
    files = sorted(file for each in patterns for file in tf.io.gfile.glob(each))
    return judge.Judge(module, files, recipe.validation, recipe.seed) if files else None


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
