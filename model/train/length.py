"""How many steps a training has, once the number of its images is known.

`auto`: n images are seen as often as

    epochs(n) = 50 * (118,000 / n) ** 0.213

says, at least 12 and at most 600 times, and in 500 steps at least. COCO's 118,000
images are seen 50 times, as in the paper (section 4.1), and 14 images 343 times,
1,200 steps of batch 4; the power makes a line of the two. No training by it was
measured. More images need fewer
epochs and yet more steps in all. The least number of steps lets a large batch of few
images still learn; the bounds of the epochs keep both ends from running away.
"""

import math
from collections.abc import Mapping

from model import config

_COCO_IMAGES = 118_000
_COCO_EPOCHS = 50
_POWER = 0.213
_EPOCHS = (12, 600)
_FEWEST_STEPS = 500


def resolved(settings: config.TrainConfig, num_images: int) -> config.TrainConfig:
    """The same recipe with its steps as a number, and without epochs.

    Args:
        num_images: those that are trained on, each counted once, at least 1.
    """
    if settings.epochs is not None:
        steps = _steps(settings.epochs, num_images, settings.batch_size)
    elif settings.steps == "auto":
        steps = auto_steps(num_images, settings.batch_size)
    else:
        return settings
    return settings.model_copy(update={"steps": steps, "epochs": None})


def told(settings: config.TrainConfig, steps: int, num_images: int) -> str | None:
    """A line about what was resolved; None if there was nothing to resolve.

    Args:
        settings: as they were configured.
    """
    if isinstance(settings.steps, int):
        return None
    key = "steps auto" if settings.epochs is None else f"epochs {settings.epochs}"
    epochs = steps * settings.batch_size / num_images
    about = "" if settings.epochs else f", each seen about {epochs:.0f} times"
    return (
        f"train.{key}: {steps} steps, from {num_images} training images and batch size "
        f"{settings.batch_size}{about}"
    )


def trained_images(counts: Mapping[int, int], settings: config.TrainConfig) -> int:
    """How many images are trained on.

    Args:
        counts: number of instances -> number of images.
    """
    least = 0 if settings.keep_empty_images else 1
    return sum(images for instances, images in counts.items() if instances >= least)


def auto_steps(num_images: int, batch_size: int) -> int:
    """See above."""
    epochs = _COCO_EPOCHS * (_COCO_IMAGES / num_images) ** _POWER
    fewest, most = _EPOCHS
    epochs = min(max(epochs, fewest), most)
    return max(_steps(epochs, num_images, batch_size), _FEWEST_STEPS)


def _steps(epochs: float, num_images: int, batch_size: int) -> int:
    return math.ceil(epochs * num_images / batch_size)
