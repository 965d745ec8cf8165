"""What is counted of the stored images: histograms, sizes, and images to show.

Every part is bounded in memory, and adding parts up gives the same in any order, so
the figures depend on the data and not on the number of workers.
"""

import bisect
import collections
import dataclasses
import hashlib
import heapq
from collections.abc import Iterable, Mapping

import msgspec

# COCO's limits, px²: small is below the first, large is from the second on.
SIZES = ("small", "medium", "large")
_SIZE_LIMITS = (32**2, 96**2)
# Upper ends of the histograms' bins, each excluded; the last bin has no end.
LONG_SIDE_ENDS = (128, 256, 384, 512, 640, 768, 1024, 1536, 2048, 3072, 4096)
AREA_SHARE_ENDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.95)
# A mask of this share of its image or more is rather a slip than an object.
WHOLE_IMAGE_SHARE = 0.95
MAX_CROWDED = 3
MAX_SAMPLES = 4


@dataclasses.dataclass(frozen=True)
class Instance:
    """One stored instance, no crowd; `area` in px²."""

    category_id: int
    area: int


class Figures(msgspec.Struct):
    """Of the images of a shard, or of several added up; crowds are left out.

    Attributes:
        instances_per_image: number of instances -> images that have as many.
        long_sides, area_shares: bin -> images, or instances.
        class_sizes: category_id -> size -> instances.
        class_images: category_id -> images that show the class.
        crowded: the images with the most instances, as (-instances, image_id, file).
        samples: category_id -> images drawn by lot, as (lot, image_id).
    """

    instances_per_image: collections.Counter[int] = msgspec.field(
        default_factory=collections.Counter
    )
    long_sides: collections.Counter[int] = msgspec.field(
        default_factory=collections.Counter
    )
    area_shares: collections.Counter[int] = msgspec.field(
        default_factory=collections.Counter
    )
    class_sizes: dict[int, collections.Counter[str]] = msgspec.field(
        default_factory=dict
    )
    class_images: collections.Counter[int] = msgspec.field(
        default_factory=collections.Counter
    )
    crowded: list[tuple[int, int, str]] = msgspec.field(default_factory=list)
    samples: dict[int, list[tuple[str, int]]] = msgspec.field(default_factory=dict)

    def count(
        self,
        image_id: int,
        file: str,
        height: int,
        width: int,
        instances: list[Instance],
    ) -> None:
        """Counts one image."""
        self.instances_per_image[len(instances)] += 1
        self.long_sides[bisect.bisect_right(LONG_SIDE_ENDS, max(height, width))] += 1
        for instance in instances:
            share = instance.area / (height * width)
            self.area_shares[bisect.bisect_right(AREA_SHARE_ENDS, share)] += 1
            sizes = self.class_sizes.setdefault(
                instance.category_id, collections.Counter()
            )
            sizes[size_of(instance.area)] += 1
        if instances:
            self._crowd([(-len(instances), image_id, file)])
        for category_id in {instance.category_id for instance in instances}:
            self.class_images[category_id] += 1
            self._sample(category_id, [(_lot(image_id, category_id), image_id)])

    def add(self, other: "Figures") -> None:
        """Adds the figures of other images, and leaves those as they are."""
        self.instances_per_image.update(other.instances_per_image)
        self.long_sides.update(other.long_sides)
        self.area_shares.update(other.area_shares)
        for category_id, sizes in other.class_sizes.items():
            known = self.class_sizes.setdefault(category_id, collections.Counter())
            known.update(sizes)
        self.class_images.update(other.class_images)
        self._crowd(other.crowded)
        for category_id, rows in other.samples.items():
            self._sample(category_id, rows)

    def _crowd(self, rows: Iterable[tuple[int, int, str]]) -> None:
        self.crowded = heapq.nsmallest(MAX_CROWDED, [*self.crowded, *rows])

    def _sample(self, category_id: int, rows: list[tuple[str, int]]) -> None:
        known = self.samples.get(category_id, [])
        self.samples[category_id] = heapq.nsmallest(MAX_SAMPLES, [*known, *rows])


def size_of(area: int) -> str:
    """COCO's name for the size of a mask of `area` px²."""
    return SIZES[bisect.bisect_right(_SIZE_LIMITS, area)]


def summarize(figures: Figures) -> dict[str, object]:
    """The part of `summary.json` that holds the histograms of a split."""
    total = collections.Counter()
    for sizes in figures.class_sizes.values():
        total.update(sizes)
    return {
        "sizes": {size: total[size] for size in SIZES},
        "instances_per_image": {
            str(number): count
            for number, count in sorted(figures.instances_per_image.items())
        },
        "most_instances": [
            {"instances": -negative, "image_id": image_id, "file": file}
            for negative, image_id, file in figures.crowded
        ],
        "long_side_px": _histogram(figures.long_sides, LONG_SIDE_ENDS),
        "mask_area_share": _histogram(figures.area_shares, AREA_SHARE_ENDS),
    }


def summarize_class(figures: Figures, category_id: int) -> dict[str, object]:
    """What `summary.json` holds of one class of a split beside its instances."""
    sizes = figures.class_sizes.get(category_id, {})
    return {
        "images": figures.class_images[category_id],
        "sizes": {size: sizes.get(size, 0) for size in SIZES},
        "sample_image_ids": [
            image_id for _, image_id in figures.samples.get(category_id, [])
        ],
    }


def _histogram(
    counts: Mapping[int, int], ends: tuple[float, ...]
) -> list[dict[str, object]]:
    edges = (0, *ends, None)
    return [
        {"from": edges[bin_], "below": edges[bin_ + 1], "count": counts.get(bin_, 0)}
        for bin_ in range(len(ends) + 1)
    ]


def _lot(image_id: int, category_id: int) -> str:
    return hashlib.sha256(f"{category_id}:{image_id}".encode()).hexdigest()[:16]
