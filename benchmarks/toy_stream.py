"""The stream both sides of the convergence benchmark train on, in one .npz file.

NumPy only: it is read in the peer's environment too.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np

NUM_CLASSES = 3
MEAN = np.float32([123.675, 116.28, 103.53])
STD = np.float32([58.395, 57.12, 57.375])


@dataclasses.dataclass(frozen=True)
class Stream:
    """Pictures, masks and their order.

    Attributes:
        images: uint8 [M, S, S, 3], training images.
        masks: uint8 [M, N, S, S], 0 or 1, the first `counts` of each are instances.
        classes: int32 [M, N], -1 where there is no instance.
        counts: int32 [M].
        order: int32 [steps, batch], images of each step.
        flips: bool [steps, batch], mirrored left to right.
        rates: float32 [steps], learning rates.
        eval_images: uint8 [E, S, S, 3].
    """

    images: np.ndarray
    masks: np.ndarray
    classes: np.ndarray
    counts: np.ndarray
    order: np.ndarray
    flips: np.ndarray
    rates: np.ndarray
    eval_images: np.ndarray

    def write(self, path: pathlib.Path) -> None:
        """Writes the file; masks as bits."""
        arrays = dataclasses.asdict(self)
        arrays["masks"] = np.packbits(self.masks, axis=-1)
        np.savez(path, **arrays)

    @classmethod
    def read(cls, path: pathlib.Path) -> "Stream":
        """Reads a file that `write` wrote."""
        with np.load(path) as arrays:
            fields = dict(arrays)
        fields["masks"] = np.unpackbits(fields["masks"], axis=-1)
        return cls(**fields)

    def batches(self) -> Iterator[dict[str, np.ndarray]]:
        """The batches: images float32 [B, S, S, 3], masks, classes, counts, rate."""
        for chosen, flips, rate in zip(self.order, self.flips, self.rates, strict=True):
            images, masks = self.images[chosen], self.masks[chosen]
            images[flips] = images[flips][:, :, ::-1]
            masks[flips] = masks[flips][..., ::-1]
            yield {
                "images": normalised(images),
                "masks": masks,
                "classes": self.classes[chosen],
                "counts": self.counts[chosen],
                "rate": rate,
            }


def normalised(images: np.ndarray) -> np.ndarray:
    """uint8 RGB -> float32, as the backbones expect."""
    return (images.astype(np.float32) - MEAN) / STD
