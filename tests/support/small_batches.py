"""Batches for the tests of training, and a recipe that goes with them."""

import numpy as np
import tensorflow as tf

from model import config
from model.train import optimizer, training_step

SIDE = 32


def settings(**changes):
    """A recipe for `batch`."""
    values = {
        "batch_size": 4,
        "steps": 4,
        "learning_rate": 1e-3,
        "clip_norm": 1.0,
        "loss": {"num_points": 32},
        "augment": {"crop_size": SIDE},
        "log_steps": 2,
        "checkpoint_steps": 2,
    }
    return config.TrainConfig(**{**values, **changes})


def batch(step=0, counts=(2, 0, 1, 2)):
    """As `dataset.train_dataset` gives it, of two classes, as arrays."""
    rng = np.random.default_rng(step)
    size = [len(counts), 2, SIDE, SIDE]
    class_index = np.full(size[:2], -1, np.int32)
    for image, count in enumerate(counts):
        class_index[image, :count] = rng.integers(0, 2, count)
    masks = np.repeat(np.repeat(rng.integers(0, 2, [*size[:2], 4, 4]), 8, 2), 8, 3)
    return {
        "images": rng.normal(size=[len(counts), SIDE, SIDE, 3]).astype(np.float32),
        "masks": masks.astype(np.uint8) * (class_index >= 0)[..., None, None],
        "class_index": class_index,
        "num_instances": np.array(counts, np.int32),
    }


def tensors(**arguments):
    """The same as tensors."""
    return {key: tf.constant(value) for key, value in batch(**arguments).items()}


def step_of(model, recipe):
    """A training step on one device."""
    adamw = optimizer.AdamW(model.trainable_variables, recipe)
    strategy = tf.distribute.get_strategy()
    return training_step.TrainingStep(model, adamw, recipe, strategy)
