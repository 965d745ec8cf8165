"""Trains our network on a stream and writes its logits for the evaluation images.

python -m benchmarks.converge_ours STREAM.npz OUT.npz
"""

import json
import pathlib
import sys
import time

import numpy as np
import tensorflow as tf

from benchmarks import toy_stream
from model.network import mask2former
from model.train import optimizer, training_step
from pipeline.settings import config, config_file

_EVAL_BATCH = 20


def settings() -> config.PipelineConfig:
    """The demo's sizes with the published loss; 32 groups, as the peer has them."""
    return config_file.load_preset(
        "demo.yaml",
        [
            "train.steps=1200",
            "train.loss.class_weight=2.0",
            "train.loss.no_object_weight=0.1",
            "model.pixel_decoder.norm_groups=32",
        ],
    )


def main(stream_path: str, out_path: str) -> None:
    """Trains, predicts, and prints one JSON line."""
    stream = toy_stream.Stream.read(pathlib.Path(stream_path))
    recipe = settings()
    network = mask2former.build(recipe.model, toy_stream.NUM_CLASSES)
    adamw = optimizer.AdamW(network.trainable_variables, recipe.train)
    strategy = tf.distribute.get_strategy()
    update = training_step.TrainingStep(network, adamw, recipe.train, strategy).update
    start = time.perf_counter()
    for batch in stream.batches():
        metrics = update(
            {
                "images": tf.constant(batch["images"]),
                "masks": tf.constant(batch["masks"]),
                "class_index": tf.constant(batch["classes"]),
                "num_instances": tf.constant(batch["counts"]),
            }
        )
        np.testing.assert_allclose(metrics["learning_rate"], batch["rate"], rtol=1e-3)
    seconds = time.perf_counter() - start
    images = toy_stream.normalised(stream.eval_images)
    outputs = [
        network(images[first : first + _EVAL_BATCH], training=False)
        for first in range(0, len(images), _EVAL_BATCH)
    ]
    np.savez(
        out_path,
        class_logits=np.concatenate([each["class_logits"][-1] for each in outputs]),
        mask_logits=np.concatenate([each["mask_logits"][-1] for each in outputs]),
    )
    parameters = int(sum(np.prod(each.shape) for each in network.trainable_variables))
    print(json.dumps({"seconds": seconds, "parameters": parameters}))


if __name__ == "__main__":
    main(*sys.argv[1:])
