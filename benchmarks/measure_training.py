"""Times some steps of the demo's training in one way and prints a JSON object.

    python -m benchmarks.measure_training {plain,loop,ema,data} [--in-turns]

`plain` is the compiled step alone, on one batch that is held; `loop` the training loop
on that batch; `ema` the same with averages of the weights; `data` the loop with batches
that are read and augmented, as in a training.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import turns
from model import config as model_config
from model import image_sections
from model.examples import categories, dataset, features, record_files
from model.network import mask2former
from model.train import parts, trainer
from pipeline.settings import config, config_file
from pipeline.tools import data_convert
from pipeline.toy import toy_coco

_IMAGES = 64
_SIDE = 128  # px, the demo's
_ENDLESS = 1_000_000  # steps


class Feed:
    """Batches for a training that goes on only when it is told to.

    Attributes:
        waited: seconds that it waited for batches in all.
    """

    def __init__(self, batches: Any):
        self.element_spec = batches.element_spec
        self.waited = 0.0
        self._batches = batches
        self._permits = threading.Semaphore(0)
        self._is_idle = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self._batches)
        while True:
            if not self._permits.acquire(blocking=False):
                self._is_idle.set()
                self._permits.acquire()
            start = time.perf_counter()
            batch = next(batches)
            self.waited += time.perf_counter() - start
            yield batch

    def go_on(self, steps: int, is_alive: Callable[[], bool]) -> None:
        """Lets so many steps be made, and returns when they are.

        Raises:
            RuntimeError: whoever makes them is gone.
        """
        self._is_idle.clear()
        self._permits.release(steps)
        while not self._is_idle.wait(1.0):
            if not is_alive():
                raise RuntimeError("the training ended")


def main() -> None:
    """Runs the workload that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=("plain", "loop", "ema", "data"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--in-turns", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        decay = 0.999 if args.workload == "ema" else 0.0
        overrides = [f"train.steps={_ENDLESS}", f"train.checkpoint_steps={_ENDLESS}"]
        settings = config_file.load(
            "demo.yaml", [*overrides, f"train.ema_decay={decay}"]
        )
        batches, classes = _batches(folder, settings)
        model = mask2former.build(settings.model, classes)
        if args.workload == "plain":
            found = _plain(model, settings.train, batches, args)
        else:
            if args.workload != "data":
                batches = batches.take(1).cache().repeat()
            found = _loop(model, settings.train, batches, folder / "run", args)
        print(json.dumps(found), flush=True)
        sys.stdout.flush()
    os._exit(0)  # the training would go on


def _plain(
    model: mask2former.Mask2Former,
    recipe: model_config.TrainConfig,
    batches: tf.data.Dataset,
    args: argparse.Namespace,
) -> dict[str, float]:
    strategy = tf.distribute.get_strategy()
    step = parts.Parts.made_for(model, recipe, strategy, None).step
    spec = _trained(batches.element_spec)
    compute, batch = step.compute_for(spec), _trained(next(iter(batches)))

    def work() -> None:
        for _ in range(args.steps):
            computed = compute(batch)
            step.apply(computed)
        computed.metrics["gradient_norm"].numpy()  # no sooner is it done

    return turns.timed(work, args.repeats, args.in_turns)


def _loop(
    model: mask2former.Mask2Former,
    recipe: model_config.TrainConfig,
    batches: tf.data.Dataset,
    folder: pathlib.Path,
    args: argparse.Namespace,
) -> dict[str, float]:
    feed = Feed(batches)
    training = threading.Thread(
        target=trainer.train, args=(model, lambda _: feed, recipe, folder), daemon=True
    )
    training.start()
    waited: list[float] = []

    def work() -> None:
        before = feed.waited
        start = time.perf_counter()
        feed.go_on(args.steps, training.is_alive)
        waited.append((feed.waited - before) / (time.perf_counter() - start))

    timed = turns.timed(work, args.repeats, args.in_turns)
    return {**timed, "waiting": float(np.median(waited[1:]))}


def _batches(
    folder: pathlib.Path, settings: config.PipelineConfig
) -> tuple[tf.data.Dataset, int]:
    """Endless batches of the demo's shapes, and how many classes they have."""
    data = toy_coco.generate(folder / "coco", _IMAGES, num_eval=4, size=_SIDE)
    data_convert.to_tfrecord([data], settings, folder / "records")
    files = sorted(map(str, (folder / "records").glob("train/*.gz")))
    ids = set()
    for example in record_files.annotations(files):
        ids |= set(example[features.CATEGORY_ID].tolist())
    classes = [categories.Category(key, str(key), 0) for key in sorted(ids)]
    mean, std = (np.float32(each) for each in (_PIXELS.mean, _PIXELS.std))
    made = dataset.train_dataset(files, classes, settings.train, mean, std, seed=0)
    return made, len(classes)


_PIXELS = image_sections.IMAGENET_PIXELS


def _trained(batch: dict[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in batch.items() if key not in dataset.TOLD}


if __name__ == "__main__":
    main()
