"""One training, from stored examples and a transform graph to a SavedModel.

TFX's Trainer and `m2f train` both call this, so they train the same.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from foundation import artifact_paths, errors, progress
from model import config
from model.evaluation import judge
from model.examples import dataset, preprocessing
from model.loss import balance
from model.network import mask2former
from model.serve import export, model_folder
from model.train import (
    cluster,
    expectations,
    forecast,
    length,
    score,
    starting_point,
    trainer,
    unfinished,
)

_SHARD = re.compile(r"(.*-)\d{5}(-of-(\d{5}).*)")


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to be trained, and on what.

    Attributes:
        train_files, eval_files: patterns of TFRecord files.
        transform_graph: what Transform wrote.
        info: texts that the SavedModel carries along, see `unfinished.description`.
        examples_name, graph_name: what stands for the examples and the graph when a
            training is compared with another.
    """

    settings: config.TrainerConfig
    train_files: Sequence[str]
    eval_files: Sequence[str]
    transform_graph: artifact_paths.Path
    info: Mapping[str, str]
    examples_name: Sequence[str]
    graph_name: str


@dataclasses.dataclass(frozen=True)
class Trained:
    """A network that was trained, as it is served."""

    module: export.ServingModule
    result: score.TrainResult
    info: Mapping[str, str]

    def export(self, folder: artifact_paths.Path) -> None:
        """Writes the SavedModel, which says how its training went."""
        outcome = json.dumps(self.result.to_facts(), allow_nan=False)
        info = {**self.info, model_folder.TRAINING: outcome}
        export.save(self.module, folder, info)


class Training:
    """What an order asks for, in this process and those that train along.

    Attributes:
        strategy: over which devices and machines.
        description: see `unfinished.description`.
    """

    def __init__(self, order: Order):
        # First of all: several workers meet before TensorFlow computes anything.
        self.strategy = trainer.make_strategy(order.settings.train)
        self._counts = preprocessing.read_image_counts(order.transform_graph)
        settings = _resolved(order.settings, self._counts)
        self._order = order = dataclasses.replace(order, settings=settings)
        self._classes = preprocessing.read_categories(order.transform_graph)
        self.description = unfinished.description(
            order.settings,
            order.examples_name,
            order.graph_name,
            order.info,
            [(each.category_id, each.name) for each in self._classes],
        )

    def run(self, folder: artifact_paths.Path) -> Trained:
        """Trains to the end, from what the folder has of it.

        Args:
            folder: of this training alone.

        Raises:
            ConfigError, WeightsError: it cannot start as configured.
            PipelineError, KeyboardInterrupt: see `trainer.train`.
        """
        order = self._order
        transform = preprocessing.ImageTransform(
            order.transform_graph, order.settings.data
        )
        network = self._network()
        module = export.ServingModule(
            network, transform, self._classes, order.settings.serve.max_detections
        )
        for line in self._expected(network) if cluster.is_chief() else ():
            progress.tell(line)
        recipe = order.settings.train
        counts = [each.training_count for each in self._classes]
        result = trainer.train(
            network,
            self._batches(transform),
            recipe,
            folder,
            self.strategy,
            self.description,
            self._judge(module),
            balance.class_weights(counts, recipe.loss.class_balance),
        )
        return Trained(module, result, order.info)

    def _network(self) -> mask2former.Mask2Former:
        """The network as it is before its first step."""
        settings, classes = self._order.settings, self._classes
        recipe = settings.train
        notices: list[str] = []
        with self.strategy.scope():
            network = mask2former.build(
                settings.model, len(classes), recipe.precision, recipe.seed
            )
            if recipe.init_from:
                notices = starting_point.load_into(network, recipe.init_from, classes)
        for notice in notices if cluster.is_chief() else ():
            progress.tell(notice)
        return network

    def _expected(self, network: mask2former.Mask2Former) -> list[str]:
        """What data and machine let expect of the training, where it matters."""
        known = forecast.facts(
            self._order.settings,
            network,
            self._classes,
            self._counts,
            training_files(self._order.train_files),
            files_of(self._order.eval_files),
        )
        return expectations.before(known)

    def _batches(
        self, transform: preprocessing.ImageTransform
    ) -> Callable[[int], tf.data.Dataset]:
        """Gives this process's part of the batches from a step on."""
        recipe = self._order.settings.train
        return functools.partial(
            dataset.train_dataset,
            training_files(self._order.train_files),
            self._classes,
            recipe,
            transform.mean.numpy(),
            transform.std.numpy(),
            recipe.seed,
            share=cluster.share(recipe.batch_size),
        )

    def _judge(self, module: export.ServingModule) -> judge.Judge | None:
        """Scores the network on the eval split; None when the data has none."""
        recipe = self._order.settings.train
        files = files_of(self._order.eval_files)
        if not files:
            return None
        return judge.Judge(module, files, recipe.validation, recipe.seed)


def _resolved(
    given: config.TrainerConfig, counts: Mapping[int, int]
) -> config.TrainerConfig:
    """What is trained, its length a number from here on."""
    # Ingestion lets no training split pass that has no instance.
    images = length.trained_images(counts, given.train)
    recipe = length.resolved(given.train, images)
    line = length.told(given.train, recipe.num_steps, images)
    if line and cluster.is_chief():
        progress.tell(line)
    return given.model_copy(update={"train": recipe})


def files_of(patterns: Sequence[str]) -> list[str]:
    """All files that patterns stand for, in order."""
    return sorted(file for each in patterns for file in tf.io.gfile.glob(each))


def training_files(patterns: Sequence[str]) -> list[str]:
    """All files that the patterns stand for, in order.

    Raises:
        PipelineError: there are none, or fewer than their names say.
    """
    files = files_of(patterns)
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
