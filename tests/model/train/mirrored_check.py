"""A script of test_training_step: TensorFlow's devices are fixed once it started."""

import numpy as np
import tensorflow as tf

from model import config
from model.network import mask2former
from model.train import optimizer, training_step

_MODEL = config.ModelConfig.model_validate(
    {
        "backbone": {"depth": 18, "stem_width": 4, "norm": "group"},
        "pixel_decoder": {
            "channels": 8,
            "num_encoder_layers": 1,
            "num_heads": 2,
            "num_points": 1,
            "feedforward_channels": 8,
            "norm_groups": 2,
        },
        "decoder": {
            "channels": 8,
            "num_queries": 3,
            "num_layers": 1,
            "num_heads": 2,
            "feedforward_channels": 8,
            "mask_channels": 8,
        },
    }
)


def main() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    settings = config.TrainConfig(
        batch_size=4,
        micro_batches=2,
        loss={"num_points": 32},
        augment={"crop_size": 32},
    )
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    found, weights = _gradients(mirrored, settings)
    expected, plain_weights = _gradients(tf.distribute.get_strategy(), settings)
    difference = max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True))
    moved = max(
        np.abs(a - b).max() for a, b in zip(weights, plain_weights, strict=True)
    )
    replicas = mirrored.num_replicas_in_sync
    print(f"{replicas} replicas, largest difference {difference} {moved}")
    if not (difference < 1e-5 and moved < 1e-5):
        raise SystemExit(1)


def _gradients(strategy, settings):
    with strategy.scope():
        model = mask2former.build(_MODEL, 2)
        adamw = optimizer.AdamW(model.trainable_variables, settings)
    step = training_step.TrainingStep(model, adamw, settings, strategy)
    batch = _batch()
    gradients, _ = tf.function(step.gradients)(batch)
    gradients = [gradient.numpy() for gradient in gradients]
    step.update(batch)
    return gradients, [weight.numpy() for weight in model.trainable_variables]


def _batch() -> dict[str, tf.Tensor]:
    rng = np.random.default_rng(0)
    counts = np.array([2, 1, 0, 0], np.int32)  # the second replica has none
    class_index = np.full([4, 2], -1, np.int32)
    for image, count in enumerate(counts):
        class_index[image, :count] = rng.integers(0, 2, count)
    masks = np.repeat(np.repeat(rng.integers(0, 2, [4, 2, 4, 4]), 8, 2), 8, 3)
    return {
        "images": tf.constant(rng.normal(size=[4, 32, 32, 3]).astype(np.float32)),
        "masks": tf.constant(masks.astype(np.uint8)),
        "class_index": tf.constant(class_index),
        "num_instances": tf.constant(counts),
    }


if __name__ == "__main__":
    main()
