"""What `m2f train` does: a training alone, in one folder, without TFX.

Ingestion, analysis, training and export are the code of the nodes; what is left out is
the gate, the evaluation, the blessing and the push. Each part of the folder is made
once and whole, so the same command goes on where it was stopped.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from components import wire
from components.coco_example_gen import fingerprints
from components.coco_example_gen.read import layouts
from foundation import artifact_paths, artifact_trees, errors, progress
from model import config as model_config
from model import training
from model.examples import record_files
from model.train import cost, unfinished
from pipeline import locations, node_settings
from pipeline.nodes import code_digest
from pipeline.settings import config
from pipeline.tools import data_convert, transform_graph

MODEL_FOLDER = "model"
_EXAMPLES_FOLDER, _GRAPH_FOLDER = "examples", "transform_graph"
_KEY_FILE = ".made_of"  # what a folder was made of, as a digest
_SPLIT_FOLDERS = ("{}", "Split-{}")  # of `m2f data convert`, and of CocoExampleGen
_TAIL_BYTES = 8  # gzip's own checksum and size of what is packed


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a training left; as a text, what the user is told."""

    out: pathlib.Path
    trained: training.Trained

    def __str__(self) -> str:
        result = self.trained.result
        best, last = result.exported, result.last
        if best is None:
            told = "not judged: no eval split, or train.validation.every_steps=0"
        else:
            told = f"{best.mask_ap:.3f} (AP50 {best.mask_ap50:.3f}) at step {best.step}"
            if last is not None and last.step != best.step:
                told += f"; the last step, {last.step}, has {last.mask_ap:.3f}"
        lines = [
            f"steps     {result.steps}",
            f"mask AP   {told}",
            f"model     {self.out / MODEL_FOLDER}",
            f"cost      {cost.told(result.cost)}",
            f"curves    tensorboard --logdir {self.out}",
            f"states    {self.out / unfinished.CHECKPOINTS}",
        ]
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class Examples:
    """Stored examples, there or yet to be made.

    Attributes:
        name: a digest of what they are made of, or of what they are.
        folder: of the splits.
        make: writes them to a new folder; None when they are there.
    """

    name: str
    folder: pathlib.Path
    make: Callable[[pathlib.Path], object] | None = None

    def pattern(self, split: str) -> str:
        """Of the records of a split."""
        below = [self.folder / each.format(split) for each in _SPLIT_FOLDERS]
        found = next((each for each in below if each.is_dir()), below[0])
        return f"{found}/{record_files.GLOB}"


def of_data(
    roots: Sequence[pathlib.Path], settings: config.PipelineConfig, out: pathlib.Path
) -> Examples:
    """The examples that ingestion makes of data folders.

    Raises:
        CocoFormatError: there is no annotated data in one of them.
    """
    found = layouts.detect_all(roots, settings.data.layout)
    name = _digest(
        fingerprints.of_layouts(found),
        settings.data.ingest_settings().model_dump_json(),
        code_digest.of_node("CocoExampleGen"),
    )
    return Examples(
        name,
        out / _EXAMPLES_FOLDER,
        lambda folder: data_convert.to_tfrecord(roots, settings, folder),
    )


def of_records(folder: pathlib.Path) -> Examples:
    """Examples that are there, with the checksum that gzip keeps of each file.

    Raises:
        UserError: it holds no training split.
    """
    found = Examples("", folder)
    files = {split: training.files_of([found.pattern(split)]) for split in wire.SPLITS}
    if not files[wire.TRAIN_SPLIT]:
        raise errors.UserError(
            f"--examples {folder}: no TFRecords in {wire.TRAIN_SPLIT}/ or "
            f"Split-{wire.TRAIN_SPLIT}/ below it. Name a folder that `m2f data convert "
            "--format tfrecord` wrote, or an artifact of CocoExampleGen."
        )
    states = [
        f"{split} {pathlib.Path(file).name} {_state(pathlib.Path(file))}"
        for split in wire.SPLITS
        for file in files[split]
    ]
    return dataclasses.replace(found, name=_digest(*states))


def run(
    examples: Examples, settings: config.PipelineConfig, out: pathlib.Path
) -> Finished:
    """Makes what is not there yet, trains to the end and exports.

    Args:
        out: of this training; has its checkpoints, curves and `validation.csv`.

    Raises:
        ConfigError: it holds another training, or the configuration cannot be used.
        WeightsError: training cannot start from what is configured.
        CocoFormatError: the data cannot be used.
        PipelineError, KeyboardInterrupt: see `trainer.train`.
    """
    graph_config = node_settings.of_transform(settings)
    order = _order(examples, settings, out, graph_config)
    unfinished.require_same(out, _described(order))
    if examples.make is not None:
        _made(examples.folder, examples.name, examples.make)
    _made(
        out / _GRAPH_FOLDER,
        order.graph_name,
        lambda folder: transform_graph.write(
            order.train_files[0], graph_config, folder, settings.run.beam_workers
        ),
    )
    trained = training.Training(order).run(out)
    with (
        progress.track("Exporting"),
        artifact_trees.whole_folder(out / MODEL_FOLDER) as folder,
    ):
        trained.export(folder)
    return Finished(out, trained)


def _order(
    examples: Examples,
    settings: config.PipelineConfig,
    out: pathlib.Path,
    graph_config: Mapping[str, str],
) -> training.Order:
    told = node_settings.of_trainer(settings)
    return training.Order(
        settings=model_config.TrainerConfig.model_validate_json(
            str(told[wire.TRAINER_CONFIG])
        ),
        train_files=[examples.pattern(wire.TRAIN_SPLIT)],
        eval_files=[examples.pattern(wire.EVAL_SPLIT)],
        transform_graph=out / _GRAPH_FOLDER,
        info=cast(Mapping[str, str], told[wire.TRAINER_INFO]),
        examples_name=[examples.name],
        graph_name=_digest(
            examples.name, json.dumps(graph_config), locations.schema_digest()
        ),
    )


def _described(order: training.Order) -> dict:
    """What the training depends on, but for the classes, which the graph will tell."""
    names = (order.examples_name, order.graph_name, order.info)
    return unfinished.description(order.settings, *names)


def _made(
    folder: pathlib.Path, key: str, make: Callable[[pathlib.Path], object]
) -> None:
    """Makes a folder whole, unless it is there and made of the same."""
    mark = folder / _KEY_FILE
    if mark.is_file() and mark.read_text() == key:
        return
    with artifact_trees.whole_folder(folder) as partial:
        make(partial)
        artifact_paths.write_whole(partial / _KEY_FILE, key.encode())


def _state(path: pathlib.Path) -> str:
    """Size and, of what gzip wrote, the checksum at its end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL_BYTES))
        return f"{size} {file.read().hex()}"


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
