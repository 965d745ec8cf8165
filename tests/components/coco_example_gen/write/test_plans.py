import pathlib

import msgspec
import pytest

from components.coco_example_gen import ingest_settings
from components.coco_example_gen.read import annotations, coco_json
from components.coco_example_gen.write import plans

SOURCE = annotations.ImageSource("/data", ["/data/train", "/data"])
SETTINGS = ingest_settings.IngestSettings(on_problem="report", max_pixels=5000)
CATEGORIES = {
    5: coco_json.CocoCategory(id=5, name="carré"),
    7: coco_json.CocoCategory(id=5, name="carré"),
}


def image(image_id):
    name = f"{image_id} é.png"
    return coco_json.CocoImage(id=image_id, file_name=name, height=16, width=12)


@pytest.fixture
def write(tmp_path):
    def run(images, objects=None):
        split = annotations.PlannedSplit(
            "train", (SOURCE,), images, objects or {}, CATEGORIES
        )
        records = {"train": str(tmp_path / "examples" / "Split-train")}
        return plans.write([split], SETTINGS, str(tmp_path / "work"), records)

    return run


def test_a_plan_is_read_back_as_it_was_written(write):
    polygons, rle = b"[[2,3,6.50,3,6,8]]", b'{"size":[16,12],"counts":"abc"}'
    found = [
        coco_json.CocoAnnotation(
            id=1,
            image_id=3,
            category_id=5,
            segmentation=msgspec.Raw(polygons),
            bbox=[2, 3, 4, None],
            area=20.5,
        ),
        coco_json.CocoAnnotation(
            id=2,
            image_id=3,
            category_id=7,
            iscrowd=True,
            segmentation=msgspec.Raw(rle),
        ),
    ]
    (shard,) = write([image(3), image(8)], {3: found})
    plan = plans.read(shard.plan_path)
    assert (plan.on_problem, plan.max_pixels) == ("report", 5000)
    assert plan.sources == [SOURCE]
    first, second = plan.images
    assert (first.image_id, first.file_name) == (3, "3 é.png")
    assert (first.height, first.width) == (16, 12)
    assert (second.image_id, second.objects) == (8, [])
    square, crowd = first.objects
    assert bytes(square.segmentation) == polygons and bytes(crowd.segmentation) == rle
    assert (square.bbox, square.area) == ([2, 3, 4, None], 20.5)
    assert (crowd.bbox, crowd.area, crowd.is_crowd) == (None, None, 1)
    assert (crowd.category_id, crowd.category_name) == (5, "carré")


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
    paths = {path for s in shards for path in (s.plan_path, s.staged_path)}
    assert len(paths) == 6


def test_256_images_fill_one_shard_and_none_still_make_one(write):
    assert len(write([image(image_id) for image_id in range(256)])) == 1
    (shard,) = write([])
    assert plans.read(shard.plan_path).images == []
