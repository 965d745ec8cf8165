"""A script of test_cuts: TensorFlow's devices are fixed once it started.

However a batch of eight is cut, five updates give the same weights. Of the batches one
has no instance in its second half, which is all that the second device sees, and one
has none at all.
"""

import mirrored_check
import numpy as np
import small_batches
import tensorflow as tf

from model.network import mask2former
from model.train import optimizer, training_step

_COUNTS = (
    (2, 0, 1, 2, 1, 1, 0, 2),
    (1, 2, 2, 1, 0, 0, 0, 0),  # the second device has none
    (0, 0, 0, 0, 0, 0, 0, 0),
    (0, 0, 0, 0, 2, 1, 1, 2),  # the first has none
    (2, 2, 2, 2, 2, 2, 2, 2),
)
_MOST = 1e-4
_UNSEEN = "/key/bias"


def main() -> None:
    """Prints how far weights moved, and how far apart those of each cut are."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    alone = tf.distribute.get_strategy()
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    start, whole = _weights(alone, 1, updates=0), _weights(alone, 1)
    found = {f"{8 // parts}x{parts}": _weights(alone, parts) for parts in (2, 4, 8)}
    found["2 devices x 4"] = _weights(mirrored, 1)
    found["2 devices x 2 x 2"] = _weights(mirrored, 2)
    moved = np.abs(whole - start).max()
    apart = {cut: float(np.abs(each - whole).max()) for cut, each in found.items()}
    print(f"moved {moved}, apart {apart}")
    if not (moved > 100 * _MOST and max(apart.values()) < _MOST):
        raise SystemExit(1)


def _weights(
    strategy: tf.distribute.Strategy, micro_batches: int, updates: int = len(_COUNTS)
) -> np.ndarray:
    """All trained weights after some updates, one after the other.

    But for the biases of keys: a softmax does not see them, so that their gradients are
    rounding alone, which AdamW makes as large as any other.
    """
    settings = small_batches.settings(
        batch_size=8,
        micro_batches=micro_batches,
        # A rate at which weights move far; the paper's would hide a difference.
        learning_rate=5e-3,
        backbone_lr_multiplier=1.0,
        warmup_steps=0,
        schedule="constant",
    )
    with strategy.scope():
        model = mask2former.build(mirrored_check._MODEL, 2, seed=3)
        adamw = optimizer.AdamW(model.trainable_variables, settings)
    step = training_step.TrainingStep(model, adamw, settings, strategy)
    for number, counts in enumerate(_COUNTS[:updates]):
        batch = small_batches.tensors(step=number, counts=counts)
        assert bool(step.update(batch)["is_sound"])
    taught = [w for w in model.trainable_variables if not w.path.endswith(_UNSEEN)]
    assert len(taught) < len(model.trainable_variables)
    return np.concatenate([weight.numpy().ravel() for weight in taught])


if __name__ == "__main__":
    main()
