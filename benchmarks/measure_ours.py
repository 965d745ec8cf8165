"""Times one workload of our model in a fresh process and prints one JSON line.

python -m benchmarks.measure_ours {forward,step,sgemm} --height 480 --width 480
"""

import argparse
import json
import resource
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from benchmarks import turns
from model import config
from model.kernels import compute_target
from model.network import mask2former
from model.train import host_memory, optimizer, training_step

MASKS_AN_IMAGE = 8
NUM_CLASSES = 80


def main() -> None:
    """Runs the workload that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=("forward", "step", "sgemm"))
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--in-turns", action="store_true")
    parser.add_argument("--xla", action="store_true")
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    base = _peak_mib()
    measured = {"forward": forward, "step": step, "sgemm": sgemm}[args.workload](args)
    measured |= {"peak_mib": _peak_mib(), "base_mib": base}
    print(json.dumps({**measured, "onednn": compute_target.has_onednn()}))


def forward(args: argparse.Namespace) -> dict[str, float]:
    """The final masks of a batch, in inference mode."""
    network = mask2former.build(config.ModelConfig(), NUM_CLASSES)
    images = _images(args)

    @tf.function(jit_compile=args.xla)
    def predict(batch: tf.Tensor):
        return network(batch, training=False)["mask_logits"][-1]

    start = time.perf_counter()
    predict.get_concrete_function(tf.TensorSpec(images.shape, tf.float32))
    tracing = time.perf_counter() - start
    return {"tracing": tracing, **_timed(lambda: predict(images), args)}


def step(args: argparse.Namespace) -> dict[str, float]:
    """One optimizer update at the published loss settings."""
    host_memory.share_heaps()  # as `trainer.train` does
    settings = config.TrainConfig(batch_size=args.batch, xla=args.xla)
    network = mask2former.build(config.ModelConfig(), NUM_CLASSES)
    adamw = optimizer.AdamW(network.trainable_variables, settings)
    strategy = tf.distribute.get_strategy()
    trainer = training_step.TrainingStep(network, adamw, settings, strategy)
    batch = {"images": _images(args), **_targets(args)}
    start = time.perf_counter()
    trainer.compute.get_concrete_function(
        {key: tf.TensorSpec(value.shape, value.dtype) for key, value in batch.items()}
    )
    tracing = time.perf_counter() - start
    return {"tracing": tracing, **_timed(lambda: trainer.update(batch), args)}


def sgemm(args: argparse.Namespace) -> dict[str, float]:
    """What a large float32 product reaches here: the machine's limit, GFLOP/s."""
    size = 3072
    left, right = (tf.random.normal([size, size]) for _ in range(2))
    timed = _timed(lambda: tf.matmul(left, right), args)
    return {**timed, "gflops": 2 * size**3 / timed["best"] / 1e9}


def _images(args: argparse.Namespace) -> tf.Tensor:
    return tf.random.stateless_normal([args.batch, args.height, args.width, 3], [0, 1])


def _targets(args: argparse.Namespace) -> dict[str, tf.Tensor]:
    """Rectangles of the same kind as the peer gets."""
    shape = (args.batch, MASKS_AN_IMAGE, args.height, args.width)
    masks = np.zeros(shape, np.uint8)
    for index in range(MASKS_AN_IMAGE):
        top, left = args.height * index // 12, args.width * index // 12
        masks[:, index, top : top + args.height // 3, left : left + args.width // 3] = 1
    classes = np.tile(np.arange(MASKS_AN_IMAGE, dtype=np.int32), (args.batch, 1))
    return {
        "masks": tf.constant(masks),
        "class_index": tf.constant(classes),
        "num_instances": tf.fill([args.batch], MASKS_AN_IMAGE),
    }


def _timed(work: Callable[[], object], args: argparse.Namespace) -> dict[str, float]:
    def finished() -> None:
        tf.nest.map_structure(np.asarray, work())

    return turns.timed(finished, args.repeats, args.in_turns)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
