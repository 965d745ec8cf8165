import pathlib

import pytest

from components.coco_example_gen import annotations, layouts, plans

FOLDERS = (pathlib.Path("/data/train"), pathlib.Path("/data"))
SOURCE = layouts.SplitSource(pathlib.Path("/data/annotations/train.json"), FOLDERS)


def image(image_id, objects=()):
    name = f"{image_id} é.png"
    return annotations.PlannedImage(image_id, name, 16, 12, list(objects))


@pytest.fixture
def write(tmp_path):
    (tmp_path / "work").mkdir()

    def run(images):
        split = annotations.PlannedSplit("train", SOURCE, images)
        records = {"train": str(tmp_path / "examples" / "Split-train")}
        work = str(tmp_path / "work")
        return plans.write([split], pathlib.Path("/data"), work, records)

    return run


def test_a_plan_is_read_back_as_it_was_written(write):
    polygons, rle = [[2, 3, 6.5, 3, 6, 8]], {"size": [16, 12], "counts": "abc"}
    objects = [
        annotations.PlannedObject(1, 5, "carré", 0, polygons, [2, 3, 4, 5], 20.5),
        annotations.PlannedObject(2, 7, "dot", 1, rle, None, None),
    ]
    images = [image(3, objects), image(8)]
    (shard,) = write(images)
    plan = plans.read(shard.plan_path)
    assert plan == plans.Plan(pathlib.Path("/data"), FOLDERS, images)


def test_513_images_are_cut_into_shards_of_256_256_and_1_in_order(write):
    shards = write([image(image_id) for image_id in range(513)])
    ids = [[i.image_id for i in plans.read(s.plan_path).images] for s in shards]
    assert [len(each) for each in ids] == [256, 256, 1]
    assert sum(ids, []) == list(range(513))
    assert [pathlib.Path(shard.records_path).name for shard in shards] == [
        "data_tfrecord-00000-of-00003.gz",
        "data_tfrecord-00001-of-00003.gz",
        "data_tfrecord-00002-of-00003.gz",
    ]
    paths = {path for s in shards for path in (s.plan_path, s.result_path)}
    assert len(paths) == 6


def test_256_images_fill_one_shard_and_none_still_make_one(write):
    assert len(write([image(image_id) for image_id in range(256)])) == 1
    (shard,) = write([])
    assert plans.read(shard.plan_path).images == []
    assert pathlib.Path(shard.records_path).parent.is_dir()
