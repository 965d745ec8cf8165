"""A script that test_kills runs: a small training that may be killed at any moment.

`kill_check.py FOLDER` trains to the end and prints a digest of all weights and moments;
`kill_check.py FOLDER STEP` is killed while it saves that step.
"""

import hashlib
import os
import pathlib
import signal
import sys

import mirrored_check
import numpy as np
import tensorflow as tf

from model import config
from model.network import mask2former
from model.train import manifest, trainer

_STEPS = 8


def main(folder: pathlib.Path, killed_at: int | None) -> None:
    """Trains, and prints what came out."""
    settings = config.TrainConfig(
        steps=_STEPS,
        batch_size=4,
        checkpoint_steps=1,
        log_steps=1,
        # Whatever changes rates and weights, to go on exactly with.
        schedule="cosine",
        warmup_steps=3,
        scale_lr_for_batch=8,
        layer_decay=0.5,
        ema_decay=0.9,
        loss={"num_points": 32},
        augment={"crop_size": 32},
    )
    model = mask2former.build(mirrored_check._MODEL, 2)
    if killed_at is not None:
        _kill_before_list(killed_at)
    weights = (0.5, 2.0)
    trainer.train(model, _batches_from, settings, folder, class_weights=weights)
    reader = tf.train.load_checkpoint(str(folder / "checkpoints" / f"ckpt-{_STEPS}"))
    digest = hashlib.sha256()
    for key in sorted(reader.get_variable_to_shape_map()):
        if not key.startswith("_"):
            digest.update(np.asarray(reader.get_tensor(key)).tobytes())
    print("digest", digest.hexdigest())


def _kill_before_list(step: int) -> None:
    """The checkpoint's files are there then, and what says so is not."""
    write = manifest.write

    def kill(folder, number, *rest):
        if number == step:
            os.kill(os.getpid(), signal.SIGKILL)
        write(folder, number, *rest)

    manifest.write = kill


def _batches_from(start: int) -> tf.data.Dataset:
    def numbered(step):
        batch = mirrored_check._batch()
        noise = tf.random.stateless_normal([4, 32, 32, 3], [0, step])
        return {**batch, "images": batch["images"] + noise}

    return tf.data.Dataset.range(start, _STEPS + 1).map(numbered, deterministic=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
