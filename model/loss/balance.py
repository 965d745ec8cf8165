"""Weights of classes in the class loss, from how often training has them."""

from collections.abc import Sequence


def class_weights(counts: Sequence[int], power: float) -> tuple[float, ...]:
    """Weights that fall with the number of instances.

    That of a class with n instances is in proportion to n ** -power, so that the share
    of a class in the loss follows n ** (1 - power). They are 1 on average over all
    instances: instances together weigh as much as without, next to "no object".

    Args:
        counts: instances of each class in the training split, by class index.
        power: `class_balance` of `LossConfig`.

    Returns:
        One for each class; of none if power is 0. A class without an instance, which
        is never asked for, has 1.
    """
    if not power:
        return ()
    raw = [count**-power if count else 0.0 for count in counts]
    total = sum(count * each for count, each in zip(counts, raw, strict=True))
    mean = total / max(sum(counts), 1)
    return tuple(each / mean if each else 1.0 for each in raw)
