"""A script that test_kills runs: a small training that may be killed at any moment.

`kill_check.py FOLDER` trains to the end and prints a digest of all weights and moments,
and of the weights that would be exported; `kill_check.py FOLDER STEP` is killed while
it saves that step. With `judged` in place of the step, steps are judged; with `judging`
it is killed in the second judgement, and with `exporting` after its last step, when
what it would export is in memory only.
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
from model.evaluation import coco_metrics, judge
from model.network import mask2former
from model.train import manifest, trainer

_STEPS = 8
_JUDGED = ("judged", "judging", "exporting")


def main(folder: pathlib.Path, mode: str) -> None:
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
        validation={"every_steps": 2, "pictures": 0},
        loss={"num_points": 32},
        augment={"crop_size": 32},
    )
    model = mask2former.build(mirrored_check._MODEL, 2)
    if mode.isdecimal():
        _kill_before_list(int(mode))
    ask = _Judge(model, mode == "judging") if mode.startswith(_JUDGED) else None
    weights = (0.5, 2.0)
    trainer.train(
        model, _batches_from, settings, folder, ask=ask, class_weights=weights
    )
    if mode == "exporting":
        os.kill(os.getpid(), signal.SIGKILL)
    reader = tf.train.load_checkpoint(str(folder / "checkpoints" / f"ckpt-{_STEPS}"))
    digest = hashlib.sha256()
    for key in sorted(reader.get_variable_to_shape_map()):
        if not key.startswith("_"):
            digest.update(np.asarray(reader.get_tensor(key)).tobytes())
    for weight in model.variables:
        digest.update(weight.numpy().tobytes())
    print("digest", digest.hexdigest())


class _Judge:
    """A score that follows from the weights alone."""

    def __init__(self, model: mask2former.Mask2Former, is_killed: bool):
        self._model = model
        self._is_killed = is_killed
        self._asked = 0

    def __call__(self) -> judge.Judgement:
        self._asked += 1
        if self._is_killed and self._asked == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        total = sum(float(np.abs(w.numpy()).sum()) for w in self._model.variables)
        names = ("mask_ap50", "mask_ap75", "mask_ap_small", "mask_ap_medium")
        names += ("mask_ap_large", "mask_ar", "box_ap", "box_ap50")
        counts = dict.fromkeys(("num_images", "num_objects", "num_detections"), 1)
        metrics = coco_metrics.MaskMetrics(
            **dict.fromkeys(names, 0.5), **counts, mask_ap=total % 1.0, classes=()
        )
        return judge.Judgement(metrics, ())


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
    main(pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
