"""Trainer's entry point: examples and a transform graph in, a SavedModel out."""

import functools
import pathlib

import tensorflow as tf
from tfx.components.trainer import fn_args_utils

from model import dataset, export, mask2former, preprocessing, trainer, weights
from pipeline import config


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
    """Trains and exports.

    `custom_config` holds `config`, a `config.PipelineConfig` as JSON of which the
    sections data, model, train and serve are used, and `info`, texts that the
    SavedModel carries along.
    """
    settings = config.PipelineConfig.model_validate_json(
        fn_args.custom_config["config"]
    )
    transform_graph = pathlib.Path(fn_args.transform_graph_path)
    transform = preprocessing.ImageTransform(transform_graph, settings.data)
    classes = preprocessing.read_categories(transform_graph)

    strategy = trainer.make_strategy(settings.train)
    with strategy.scope():
        network = mask2former.build(
            settings.model,
            len(classes),
            settings.train.precision,
            settings.train.seed,
        )
        if settings.train.init_from:
            weights.load_into(network, pathlib.Path(settings.train.init_from), classes)
    batches_from = functools.partial(
        dataset.train_dataset,
        sorted(f for pattern in fn_args.train_files for f in tf.io.gfile.glob(pattern)),
        classes,
        settings.train,
        transform.mean.numpy(),
        transform.std.numpy(),
        settings.train.seed,
    )
    run_dir = pathlib.Path(fn_args.model_run_dir)
    trainer.train(network, batches_from, settings.train, run_dir, strategy)

    module = export.ServingModule(
        network, transform, classes, settings.serve.max_detections
    )
    info = {"config": fn_args.custom_config["config"], **fn_args.custom_config["info"]}
    export.save(module, pathlib.Path(fn_args.serving_model_dir), info)
