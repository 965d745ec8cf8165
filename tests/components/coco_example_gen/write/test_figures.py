import collections
import copy

import numpy as np
import pytest

from components.coco_example_gen.write import figures

DOT = figures.Instance(7, 4)


def counted(*images):
    """Figures of images given as (image_id, height, width, instances)."""
    made = figures.Figures()
    for image_id, height, width, instances in images:
        made.count(image_id, f"{image_id}.png", height, width, list(instances))
    return made


@pytest.mark.parametrize(
    ("area", "size"),
    [
        (1, "small"),
        (1023, "small"),
        (1024, "medium"),
        (9215, "medium"),
        (9216, "large"),
    ],
)
def test_sizes_are_those_of_coco(area, size):
    assert figures.size_of(area) == size


def test_every_image_and_instance_falls_into_the_bin_that_holds_it():
    images = [
        (1, 100, 127, [figures.Instance(7, 12)]),  # share 0.00094: below 0.001
        (2, 128, 10, [figures.Instance(7, 1280)]),  # all of it
        (3, 5000, 10, []),
    ]
    summary = figures.summarize(counted(*images))
    filled = {
        key: [(row["from"], row["below"]) for row in summary[key] if row["count"]]
        for key in ("long_side_px", "mask_area_share")
    }
    assert filled == {
        "long_side_px": [(0, 128), (128, 256), (4096, None)],
        "mask_area_share": [(0, 0.001), (0.95, None)],
    }
    assert summary["instances_per_image"] == {"0": 1, "1": 2}
    assert summary["sizes"] == {"small": 1, "medium": 1, "large": 0}


def test_an_image_counts_once_for_a_class_it_shows_twice():
    made = counted((1, 9, 9, [DOT, DOT]), (2, 9, 9, [DOT]), (3, 9, 9, []))
    found = figures.summarize_class(made, 7)
    assert found["images"] == 2
    assert found["sizes"] == {"small": 3, "medium": 0, "large": 0}
    assert sorted(found["sample_image_ids"]) == [1, 2]
    assert figures.summarize_class(made, 8)["images"] == 0


def test_the_most_crowded_images_are_named_the_fullest_first():
    images = [(n, 9, 9, [DOT] * n) for n in (2, 5, 1, 4, 3)]
    found = figures.summarize(counted(*images))["most_instances"]
    assert [(row["instances"], row["file"]) for row in found] == [
        (5, "5.png"),
        (4, "4.png"),
        (3, "3.png"),
    ]


def test_parts_added_up_in_any_order_are_the_whole():
    rng = np.random.default_rng(3)
    images = [
        (
            n,
            int(rng.integers(1, 3000)),
            int(rng.integers(1, 3000)),
            [
                figures.Instance(int(rng.integers(4)), int(rng.integers(1, 20_000)))
                for _ in range(rng.integers(6))
            ],
        )
        for n in range(60)
    ]
    whole = counted(*images)
    parts = [counted(*images[first : first + 7]) for first in range(0, 60, 7)]
    rng.shuffle(parts)
    before = copy.deepcopy(parts)
    total = figures.Figures()
    for part in parts:
        total.add(part)
    assert total == whole
    assert parts == before  # the total shares nothing with them
    assert all(len(rows) == figures.MAX_SAMPLES for rows in total.samples.values())


def test_samples_are_drawn_without_regard_to_where_an_image_stands():
    """Of 20 images, each is drawn about as often over many classes."""
    drawn = collections.Counter()
    for category_id in range(200):
        made = figures.Figures()
        for image_id in range(20):
            made.count(image_id, "", 9, 9, [figures.Instance(category_id, 4)])
        drawn.update(figures.summarize_class(made, category_id)["sample_image_ids"])
    # 200 draws of 4 out of 20: 40 each, deviation sqrt(200 * 0.2 * 0.8) = 5.7.
    assert set(drawn) == set(range(20))
    assert all(abs(count - 40) < 5 * 5.7 for count in drawn.values())
