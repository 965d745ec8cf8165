"""What a user should know before a training and in its first steps.

Facts come in, lines go out. Only what matters is a line. All thresholds stand here,
each with its reason; they are rules of thumb and refuse nothing.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from foundation import progress

# Mask2Former's authors start from ImageNet weights even with COCO's 118,000 images; He
# et al. 2019 ("Rethinking ImageNet pre-training") find random weights as good from some
# ten thousand images on, and far behind with fewer.
_ENOUGH_IMAGES = 10_000
# The demo's network is smaller and learns drawn shapes from some hundred images.
_SMALL_NETWORK = 5_000_000  # weights
# From here on chance moves a mask AP by 0.05 or less.
_ENOUGH_EVAL_IMAGES, _ENOUGH_EVAL_OBJECTS = 20, 100
# Masks are predicted at stride 4, so that such an object has one pixel there.
SMALLEST_SIDE = 4.0  # px, square root of the area
_MANY_SMALL = 0.1  # share of the instances
# Fewer show a class from hardly more than one side; the drawing of batches may leave
# them out of a whole judgement's steps.
_ENOUGH_INSTANCES = 5
_MOST_NAMES = 5  # that a line lists
_LONG_ON_CPU = 2 * 3600.0  # seconds: longer than one waits beside a laptop
_WORTH_TELLING = 60.0  # seconds
# Batches with more instances come later than the first steps, and take more.
_MEMORY_ROOM = 1.15
_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known before the first step.

    Attributes:
        images: of the training split that are trained on.
        instances_per_image: number of instances -> training images.
        classes: name -> instances in the training split.
        eval_images, eval_objects: of the eval split, crowds left out; None where they
            are many, or there is no eval split.
        eval_only: names of classes that the eval split alone has.
        small_trained, small_evaluated: share of the instances below `SMALLEST_SIDE`, at
            the middle of the training scales and at the size of evaluation.
        memory_needed: an estimate, bytes; see `memory_needed`.
        memory_limit: of the machine or its container, bytes; None if unknown.
        weights: that are trained, a number.
    """

    images: int
    instances_per_image: Mapping[int, int]
    classes: Mapping[str, int]
    eval_images: int | None
    eval_objects: int | None
    eval_only: Sequence[str]
    small_trained: float
    small_evaluated: float
    max_instances: int
    weights: int
    is_random: bool
    has_gpu: bool
    memory_needed: float
    memory_limit: float | None


def before(facts: Facts) -> list[str]:
    """Lines to tell before the first step."""
    found = (
        _random_start(facts),
        _eval_split(facts),
        _classes(facts),
        _cap(facts),
        _small(facts),
        _memory(facts),
    )
    return [line for line in found if line]


def after_first_steps(
    seconds: float,
    steps_left: int,
    peak: float,
    limit: float | None,
    has_gpu: bool,
) -> list[str]:
    """Lines to tell after the first steps.

    Args:
        seconds: of a step.
        peak, limit: memory that was used so far and may be used, bytes.
    """
    total = seconds * steps_left
    if total < _WORTH_TELLING:
        return []
    used = f"{peak / _GIB:.1f}"
    used += f" of {limit / _GIB:.1f} GiB" if limit else " GiB"
    lines = [
        f"{steps_left} steps are left and take about {progress.duration(total)} "
        f"({seconds:.2f} s each, validation not counted); memory so far {used}"
    ]
    if not has_gpu and total > _LONG_ON_CPU:
        lines.append(
            "that is long for a machine without a GPU. small.yaml is the preset for "
            "it; smaller data.short_side and train.augment.crop_size, a smaller "
            "backbone (model.backbone.name efficientnet_lite0), fewer train.steps and "
            "a smaller train.batch_size make it shorter"
        )
    if not has_gpu and limit and peak * _MEMORY_ROOM > limit:
        lines.append(
            "that is close to all memory there is, and batches with more objects take "
            f"more. {_LESS_MEMORY}"
        )
    return lines


_LESS_MEMORY = (
    "Raise train.micro_batches, or lower train.augment.crop_size or "
    "train.max_instances; small.yaml is the preset for small machines"
)


def memory_needed(weights: int, part_pixels: int, channels: int) -> float:
    """A rough estimate of what a training on a CPU takes, bytes.

    The program and its libraries take 1.5 GiB; a weight 20 bytes, for itself, its
    gradient, two moments and a copy on the way; and a pixel of the images that are
    computed at a time 1 KiB and 13 bytes more for each channel of the pixel decoder.
    Fitted to ResNet-50 at published sizes (benchmarks/RESULTS.md: two images of 480 px
    take 3.9 to 4.2 GiB, two of 800 px 7.4); smaller networks take rather more than it
    says.

    Args:
        part_pixels: of a micro-batch.
        channels: of the pixel decoder.
    """
    return 1.5 * _GIB + 20 * weights + part_pixels * (1024 + 13 * channels)


def _random_start(facts: Facts) -> str | None:
    is_enough = facts.images >= _ENOUGH_IMAGES or facts.weights < _SMALL_NETWORK
    if not facts.is_random or is_enough:
        return None
    preset = "custom.yaml" if facts.has_gpu else "small.yaml"
    return (
        f"it starts from random weights, and {facts.images} training images are few "
        f"for that: below {_ENOUGH_IMAGES:,} little is learnt. {preset} starts from "
        "ImageNet weights that come with the program (train.init_from: imagenet with "
        "model.backbone.name efficientnet_lite0 or efficientnet_lite2)"
    )


def _eval_split(facts: Facts) -> str | None:
    images, objects = facts.eval_images, facts.eval_objects
    if images is None or objects is None:
        return None
    if images >= _ENOUGH_EVAL_IMAGES and objects >= _ENOUGH_EVAL_OBJECTS:
        return None
    # A rate found on n objects has a standard error of at most 0.5 / sqrt(n); objects
    # of one image are alike, so that it is rather more.
    error = 0.5 / max(objects, 1) ** 0.5
    return (
        f"the eval split has {images} images with {objects} objects: its mask AP has a "
        f"standard error of about {error:.2f}, and the verdict rests on it. Smaller "
        "differences say nothing; annotate more, or hold out more (data.eval_fraction)"
    )


def _classes(facts: Facts) -> str | None:
    rare = [
        f"{name} ({count})"
        for name, count in facts.classes.items()
        if count < _ENOUGH_INSTANCES
    ]
    parts = []
    if rare:
        parts.append(
            f"fewer than {_ENOUGH_INSTANCES} training instances: {_some(rare)}"
        )
    if facts.eval_only:
        parts.append(
            f"in the eval split only, never learnt: {_some(sorted(facts.eval_only))}"
        )
    return f"classes with {'; '.join(parts)}. Annotate more of them" if parts else None


def _cap(facts: Facts) -> str | None:
    crowded = {
        instances: images
        for instances, images in facts.instances_per_image.items()
        if instances > facts.max_instances
    }
    if not crowded:
        return None
    return (
        f"{sum(crowded.values())} training images have more instances than "
        f"train.max_instances {facts.max_instances}, the most {max(crowded)}: what a "
        "crop shows beyond it is trained as background. Raise it, which takes memory"
    )


def _small(facts: Facts) -> str | None:
    if max(facts.small_trained, facts.small_evaluated) < _MANY_SMALL:
        return None
    return (
        f"{facts.small_evaluated:.0%} of the instances are smaller than "
        f"{SMALLEST_SIDE:.0f} px across at the size of evaluation, and "
        f"{facts.small_trained:.0%} amid the scales of training: they vanish in masks "
        "of a quarter of that size. Raise data.short_side and data.long_side, and "
        "train.augment.crop_size"
    )


def _memory(facts: Facts) -> str | None:
    limit = facts.memory_limit
    if facts.has_gpu or not limit or facts.memory_needed <= limit:
        return None
    return (
        f"it will take some {facts.memory_needed / _GIB:.0f} GiB of memory, and there "
        f"are {limit / _GIB:.1f}. {_LESS_MEMORY}"
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
