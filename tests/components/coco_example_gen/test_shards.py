import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.coco_example_gen import (
    annotations,
    layouts,
    plans,
    problems,
    shards,
)

SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]


def image(image_id, *crowds, category_id=5):
    """An image of 16 x 12 px with a square for each of `crowds`, 0 or 1."""
    objects = [
        annotations.PlannedObject(
            10 * image_id + n, category_id, f"class {category_id}", crowd, SQUARE, *_NO
        )
        for n, crowd in enumerate(crowds)
    ]
    return annotations.PlannedImage(image_id, f"{image_id}.png", 16, 12, objects)


_NO = (None, None)  # neither box nor area in the file


@pytest.fixture
def root(tmp_path):
    """Pictures 1 to 3, each of another gray, and one outside of the root."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number in (1, 2, 3):
        gray = np.full([16, 12], 50 * number, np.uint8)
        Image.fromarray(gray).save(folder / f"{number}.png")
    (folder / "3.png").rename(tmp_path / "outside.png")
    (folder / "3.png").symlink_to(tmp_path / "outside.png")
    return folder


@pytest.fixture
def plan(tmp_path, root):
    def run(images, name="train"):
        work = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
        work.mkdir()
        source = layouts.SplitSource(root / "train.json", (root,))
        split = annotations.PlannedSplit(name, source, images)
        (shard,) = plans.write([split], root, str(work), {name: str(work / "records")})
        return shard

    return run


def image_ids(shard):
    records = tf.data.TFRecordDataset(shard.records_path, compression_type="GZIP")
    found = []
    for record in records.as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        found += feature["image/id"].int64_list.value
    return found


def test_usable_images_are_stored_in_order_and_the_others_are_told(plan):
    shard = plan([image(1, 0), image(2), image(3, 0), image(4, 0)])
    shards.write_records(shard)
    assert image_ids(shard) == [1, 2]
    log = problems.ProblemLog()
    shards.read_results([shard], log)
    assert [(each.kind, each.image_id) for each in log.examples] == [
        ("image_without_objects", 2),
        ("unsafe_path", 3),
        ("missing_image", 4),
    ]


def test_results_of_shards_add_up_by_split_and_crowds_are_no_instances(plan):
    written = [
        plan([image(1, 0, 0, 1)]),
        plan([image(2, 0), image(1, 1, category_id=8)]),
        plan([image(2)], "eval"),
    ]
    for shard in written:
        shards.write_records(shard)
    total = shards.read_results(written, problems.ProblemLog())
    train, held_out = total["train"], total["eval"]
    assert (train.images, train.images_without_objects, train.crowds) == (3, 0, 2)
    assert (train.objects, train.names) == ({5: 3}, {5: "class 5"})
    assert sorted(train.pictures.values()) == ["1.png", "2.png"]
    assert (held_out.images, held_out.images_without_objects) == (1, 1)
    assert not held_out.objects
    # Image 1 shows two instances, then none: its only one is a crowd. Image 2 has one.
    assert train.histograms.instances_per_image == {2: 1, 1: 1, 0: 1}
    assert train.histograms.class_images == {5: 2}
    assert train.histograms.crowded == [(-2, 1, "1.png"), (-1, 2, "2.png")]


def test_a_repeated_call_leaves_the_same_bytes_and_nothing_half_written(plan):
    shard = plan([image(1, 0), image(2, 0)])
    shards.write_records(shard)
    once = pathlib.Path(shard.records_path).read_bytes()
    pathlib.Path(f"{shard.result_path}.records").write_bytes(b"interrupted")
    shards.write_records(shard)
    assert pathlib.Path(shard.records_path).read_bytes() == once
    left = {path.name for path in pathlib.Path(shard.plan_path).parent.iterdir()}
    names = (shard.plan_path, shard.result_path)
    assert left == {"records", *(pathlib.Path(name).name for name in names)}
