"""A script that test_cluster runs: two processes that train one model together.

With arguments it is one of the two; without, it starts both, trains alone and
compares.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import mirrored_check
import numpy as np
import tensorflow as tf

from foundation import errors
from model import config
from model.network import mask2former
from model.train import cluster, trainer

_STEPS = 2
_BATCH = 4


def main() -> int:
    """Trains twice and compares the weights."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        hosts = [f"127.0.0.1:{_free_port()}" for _ in range(2)]
        workers = []
        for index in range(2):
            cluster.configure(hosts, index)
            command = [sys.executable, __file__, name, str(index)]
            workers.append(subprocess.Popen(command, env=dict(os.environ)))
        codes = [worker.wait(timeout=500) for worker in workers]
        if any(codes):
            return 1
        found = [dict(np.load(folder / f"{index}.npz")) for index in range(2)]
        written = sorted(path.name for path in folder.glob("*/checkpoints/*.index"))
    del os.environ["TF_CONFIG"]
    with tempfile.TemporaryDirectory() as name:
        expected = _train(pathlib.Path(name), "none")
    worst = max(
        np.abs(weights[key] - value).max()
        for weights in found
        for key, value in expected.items()
    )
    print(f"2 workers, largest difference {worst}, written {written}")
    return 0 if worst < 1e-5 and written == ["ckpt-1.index", "ckpt-2.index"] else 1


def _work(folder: pathlib.Path, index: int) -> None:
    weights = _train(folder / str(index), "multi_worker")
    np.savez(folder / f"{index}.npz", **weights)


def _train(folder: pathlib.Path, distribution: str) -> dict[str, np.ndarray]:
    settings = config.TrainConfig(
        steps=_STEPS,
        batch_size=_BATCH,
        micro_batches=2,
        checkpoint_steps=1,
        loss={"num_points": 32},
        augment={"crop_size": 32},
        distribution=distribution,
    )
    strategy = trainer.make_strategy(settings)
    cluster.require_agreement(strategy, "abc")
    with strategy.scope():
        model = mask2former.build(mirrored_check._MODEL, 2)
    trainer.train(model, _batches_from, settings, folder, strategy)
    if distribution == "multi_worker":
        _disagree(strategy)
    return {f"w{i}": w.numpy() for i, w in enumerate(model.trainable_variables)}


def _disagree(strategy: tf.distribute.Strategy) -> None:
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    try:
        cluster.require_agreement(strategy, f"{index + 1}")
    except errors.PipelineError:
        return
    raise SystemExit("workers of different trainings did not notice")


def _batches_from(start: int) -> tf.data.Dataset:
    """Batches as `dataset.train_dataset` gives them: of others' images nothing."""
    batch = mirrored_check._batch()
    others = np.ones(_BATCH, bool)
    others[cluster.share(_BATCH)] = False
    for key in ("images", "masks"):
        batch[key] = tf.constant(np.where(others[:, *[None] * 3], 0, batch[key]))
    return tf.data.Dataset.from_tensors(batch).repeat()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _work(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
    else:
        sys.exit(main())
