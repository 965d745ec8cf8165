import os
import pathlib
import shutil

import msgspec
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.coco_example_gen import ingest_settings, problems
from components.coco_example_gen.read import annotations, coco_json
from components.coco_example_gen.write import plans, shards

SQUARE = msgspec.Raw(b"[[2, 3, 6, 3, 6, 8, 2, 8]]")


def image(image_id, *crowds, category_id=5):
    """An image of 16 x 12 px with a square for each of `crowds`, 0 or 1."""
    entry = coco_json.CocoImage(
        id=image_id, file_name=f"{image_id}.png", height=16, width=12
    )
    return entry, [
        coco_json.CocoAnnotation(
            id=10 * image_id + n,
            image_id=image_id,
            category_id=category_id,
            iscrowd=crowd,
            segmentation=SQUARE,
        )
        for n, crowd in enumerate(crowds)
    ]


CATEGORIES = {i: coco_json.CocoCategory(id=i, name=f"class {i}") for i in (5, 8)}


@pytest.fixture
def root(tmp_path):
    """Pictures 1 to 3, each of another gray, and one outside of the root."""
    folder = tmp_path / "data"
    folder.mkdir()
    for number in (1, 2, 3):
        gray = np.full([16, 12, 3], 50 * number, np.uint8)
        Image.fromarray(gray).save(folder / f"{number}.png")
    (folder / "3.png").rename(tmp_path / "outside.png")
    (folder / "3.png").symlink_to(tmp_path / "outside.png")
    return folder


@pytest.fixture
def plan(tmp_path, root):
    def run(images, name="train"):
        work = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
        work.mkdir()
        source = annotations.ImageSource(str(root), [str(root)])
        objects = {entry.id: found for entry, found in images}
        split = annotations.PlannedSplit(
            name, (source,), [entry for entry, _ in images], objects, CATEGORIES
        )
        (work / "records").mkdir()
        (shard,) = plans.write(
            [split],
            ingest_settings.IngestSettings(),
            str(work),
            {name: str(work / "records")},
        )
        return shard

    return run


def image_ids(shard):
    records = tf.data.TFRecordDataset(shard.staged_path, compression_type="GZIP")
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
    assert sorted(train.pictures.values()) == [("1.png", 1), ("2.png", 2)]
    assert (held_out.images, held_out.images_without_objects) == (1, 1)
    assert not held_out.objects
    # Image 1 shows two instances, then none: its only one is a crowd. Image 2 has one.
    assert train.histograms.instances_per_image == {2: 1, 1: 1, 0: 1}
    assert train.histograms.class_images == {5: 2}
    assert train.histograms.crowded == [(-2, 1, "1.png"), (-1, 2, "2.png")]


def test_what_a_shard_counted_is_read_back_with_numbers_for_keys(plan):
    large, found = image(2**53 + 1, 0, 0, 1, category_id=8)
    large.file_name = "2.png"
    shard = plan([image(1, 0), (large, found)])
    shards.write_records(shard)
    total = shards.read_results([shard], problems.ProblemLog())["train"]
    assert total.objects == {5: 1, 8: 2} and total.objects[9] == 0
    assert total.sources == {0: 2} and total.sources[1] == 0
    assert total.names == {5: "class 5", 8: "class 8"}
    told = [str(stored) for stored in total.pictures.values()]
    assert told == ["1.png (image 1)", f"2.png (image {2**53 + 1})"]
    # Squares of 4 x 5 = 20 px in 16 x 12 = 192: a share of 0.104, the eighth bin.
    histograms = total.histograms
    assert histograms.class_sizes == {5: {"small": 1}, 8: {"small": 2}}
    assert histograms.area_shares == {7: 3} and histograms.long_sides == {0: 2}
    drawn = {i: [n for _, n in rows] for i, rows in histograms.samples.items()}
    assert drawn == {5: [1], 8: [2**53 + 1]}


def test_a_result_that_counts_other_than_with_numbers_is_refused(plan):
    shard = plan([image(1, 0)])
    shards.write_records(shard)
    path = pathlib.Path(shard.result_path)
    path.write_text(path.read_text().replace('"objects":{"5"', '"objects":{"five"'))
    with pytest.raises(msgspec.ValidationError, match="Expected `int`"):
        shards.read_results([shard], problems.ProblemLog())


def test_a_link_to_a_name_that_is_not_utf_8_is_told_like_any_other(plan, root):
    target = root.parent / os.fsdecode(b"out\xff.png")
    target.touch()
    (root / "4.png").symlink_to(target)
    shard = plan([image(4, 0)])
    shards.write_records(shard)
    log = problems.ProblemLog()
    shards.read_results([shard], log)
    (told,) = log.examples
    assert told.kind == "unsafe_path"
    assert f"links to {root.parent}/out?.png, outside of" in told.message


def test_a_repeated_call_leaves_the_same_bytes(plan):
    shard = plan([image(1, 0), image(2, 0)])
    shards.write_records(shard)
    once = pathlib.Path(shard.staged_path).read_bytes()
    pathlib.Path(shard.staged_path).write_bytes(b"interrupted")
    shards.write_records(shard)
    assert pathlib.Path(shard.staged_path).read_bytes() == once


def test_records_are_where_they_belong_only_when_they_are_published(plan):
    shard = plan([image(1, 0)])
    shards.write_records(shard)
    assert not pathlib.Path(shard.records_path).exists()
    staged = pathlib.Path(shard.staged_path).read_bytes()
    shards.publish([shard])
    assert pathlib.Path(shard.records_path).read_bytes() == staged
    assert not pathlib.Path(shard.staged_path).exists()


def test_a_picture_that_comes_twice_in_a_split_is_told(plan, root):
    shutil.copy(root / "1.png", root / "4.png")
    written = [plan([image(1, 0), image(2, 0)]), plan([image(4, 0), image(1, 0)])]
    for shard in written:
        shards.write_records(shard)
    log = problems.ProblemLog()
    total = shards.read_results(written, log)
    told = [(p.kind, p.file, p.image_id, p.message) for p in log.examples]
    same = "is the same picture as {} of the same split"
    assert told == [
        ("image_repeated", "1.png", 1, same.format("4.png (image 4)")),
        ("image_repeated", "4.png", 4, same.format("1.png (image 1)")),
    ]
    assert total["train"].images == 4


def test_a_file_that_is_listed_twice_is_told(plan):
    twice, annotations_ = image(7, 0)
    twice.file_name = "1.png"
    within = [plan([image(1, 0), (twice, annotations_)])]
    across = [plan([image(1, 0)]), plan([(twice, annotations_)])]
    for written in (within, across):
        for shard in written:
            shards.write_records(shard)
        log = problems.ProblemLog()
        shards.read_results(written, log)
        (told,) = log.examples
        assert (told.kind, told.file, told.image_id) == ("image_repeated", "1.png", 7)
        assert "1.png (image 1)" in told.message
