"""Every source, from its files to the masks in the records."""

import base64

import numpy as np
import pytest
import source_files

from foundation import errors
from model.examples import features


def test_labelme_pictures_inside_and_beside_the_files(tmp_path, ingest):
    ring = np.zeros([5, 7], bool)
    ring[0], ring[-1], ring[:, 0], ring[:, -1] = True, True, True, True
    mask = {
        "label": "ring_7",
        "points": [[3, 9], [9, 13]],
        "shape_type": "mask",
        "mask": base64.b64encode(
            source_files.png(ring.astype(np.uint8) * 255)
        ).decode(),
    }
    source_files.put(tmp_path, "a.png", source_files.picture(1))
    source_files.labelme(tmp_path, "a", [source_files.RECTANGLE, mask])
    source_files.labelme(tmp_path, "b", [mask], data=source_files.picture(2))
    ingested = ingest(tmp_path, label_pattern=r"(.+)_\d+")
    found = source_files.stored(ingested)
    (first, (name, second)) = found["a.png"]
    assert (first[0], name) == ("square", "ring")
    np.testing.assert_array_equal(first[1], source_files.square())
    expected = np.zeros([source_files.HEIGHT, source_files.WIDTH], np.uint8)
    expected[9:14, 3:10] = ring
    np.testing.assert_array_equal(second, expected)
    np.testing.assert_array_equal(found["b.json"][0][1], expected)
    encoded = {
        example[features.IMAGE_ENCODED]
        for split in ("train", "eval")
        for example in ingested.examples(split)
    }
    assert encoded == {source_files.picture(1), source_files.picture(2)}
    assert set(source_files.found_problems(ingested)) <= {"class_absent_from_split"}


def test_an_image_bomb_inside_a_labelme_file_is_left_out(tmp_path, ingest):
    for number in (1, 2):
        source_files.put(tmp_path, f"{number}.png", source_files.picture(number))
        source_files.labelme(tmp_path, str(number), [source_files.RECTANGLE])
    bomb = source_files.png(np.zeros([4000, 4000], np.uint8))
    source_files.labelme(tmp_path, "3", [source_files.RECTANGLE], data=bomb)
    ingested = ingest(tmp_path, max_pixels=1_000_000, eval_fraction=0.5)
    assert len(source_files.stored(ingested)) == 2
    assert source_files.found_problems(ingested) == {"oversized_image": 1}


def test_panoptic_segments_of_things_are_instances(tmp_path, ingest):
    categories = [
        {"id": 3, "name": "sky", "isthing": 0},
        {"id": 5, "name": "square", "isthing": 1},
    ]
    for split, number in (("train", 1), ("val", 2)):
        ids = np.zeros([source_files.HEIGHT, source_files.WIDTH, 3], np.uint8)
        ids[:2] = [9, 0, 0]
        ids[source_files.square() == 1] = [44, 1, 7]
        source_files.put(
            tmp_path, f"{split}/{number}.png", source_files.picture(number)
        )
        source_files.put(
            tmp_path,
            f"annotations/panoptic_{split}/{number}.png",
            source_files.png(ids),
        )
        segments = [
            {"id": 9, "category_id": 3, "iscrowd": 0},
            {"id": 44 + 256 + 7 * 65536, "category_id": 5, "iscrowd": 0},
        ]
        rows = [
            {"image_id": 7, "file_name": f"{number}.png", "segments_info": segments}
        ]
        images = [source_files.entry(7, file_name=f"{number}.png")]
        content = source_files.coco(images, rows, categories)
        source_files.put(tmp_path, f"annotations/panoptic_{split}.json", content)
    ingested = ingest(tmp_path)
    found = source_files.stored(ingested)
    assert sorted(found) == ["train/1.png", "val/2.png"]
    for pairs in found.values():
        ((name, mask),) = pairs
        assert name == "square"
        np.testing.assert_array_equal(mask, source_files.square())
    assert source_files.found_problems(ingested) == {}
    assert ingested.summary["layout"] == "panoptic"


def test_pixels_of_panoptic_segments_that_are_not_listed_are_told(tmp_path, ingest):
    ids = np.zeros([source_files.HEIGHT, source_files.WIDTH, 3], np.uint8)
    ids[:2] = [9, 0, 0]  # 2 x 12 px that the second file does not list
    ids[15, 5:8] = [0, 9, 0]  # nor these 3
    ids[source_files.square() == 1] = [44, 1, 7]
    square = {"id": 44 + 256 + 7 * 65536, "category_id": 5, "iscrowd": 0}
    others = [{"id": i, "category_id": 5, "iscrowd": 0} for i in (9, 9 * 256)]
    for split, number in (("train", 1), ("val", 2)):
        png = source_files.png(ids)
        source_files.put(tmp_path, f"annotations/panoptic_{split}/{number}.png", png)
        picture = source_files.picture(number)
        source_files.put(tmp_path, f"{split}/{number}.png", picture)
        segments = [square] if split == "val" else [square, *others]
        rows = [
            {"image_id": 7, "file_name": f"{number}.png", "segments_info": segments}
        ]
        images = [source_files.entry(7, file_name=f"{number}.png")]
        content = source_files.coco(images, rows)
        source_files.put(tmp_path, f"annotations/panoptic_{split}.json", content)
    ingested = ingest(tmp_path)
    ((name, mask),) = source_files.stored(ingested)["val/2.png"]
    np.testing.assert_array_equal(mask, source_files.square())
    (told,) = ingested.occurrences
    assert (told["kind"], told["file"], told["image_id"]) == (
        "unlisted_segment",
        "val/2.png",
        7,
    )
    assert "27 pixel(s) of annotations/panoptic_val/2.png have 2 col" in told["message"]
    with pytest.raises(errors.CocoFormatError, match=r"2\.png, image 7: 27 pixel"):
        ingest(tmp_path, on_problem="strict")


def test_a_png_of_another_size_stops_and_names_its_file(tmp_path, ingest):
    segments = [{"id": 1, "category_id": 5, "iscrowd": 0}]
    rows = [
        {"image_id": i, "file_name": f"{i}.png", "segments_info": segments}
        for i in (1, 2)
    ]
    for number in (1, 2):
        source_files.put(tmp_path, f"{number}.png", source_files.picture(number))
        source_files.put(
            tmp_path,
            f"panoptic_all/{number}.png",
            source_files.png(np.ones([9, 9, 3], np.uint8)),
        )
    images = [source_files.entry(i, file_name=f"{i}.png") for i in (1, 2)]
    source_files.put(tmp_path, "panoptic_all.json", source_files.coco(images, rows))
    with pytest.raises(
        errors.CocoFormatError, match=r"1.png: has 9 x 9 px .* the image 16 x 12"
    ):
        ingest(tmp_path)


def test_lvis_names_pictures_by_their_url(tmp_path, ingest):
    for split, number in (("train", 1), ("val", 2)):
        url = f"http://images.cocodataset.org/{split}2017/{number}.png"
        rows = [source_files.row(number, number, area=20.0, bbox=[2, 3, 4, 5])]
        images = [
            source_files.entry(number, coco_url=url, not_exhaustive_category_ids=[])
        ]
        source_files.put(
            tmp_path, f"lvis_v1_{split}.json", source_files.coco(images, rows)
        )
        source_files.put(
            tmp_path, f"{split}2017/{number}.png", source_files.picture(number)
        )
    ingested = ingest(tmp_path)
    found = source_files.stored(ingested)
    assert sorted(found) == ["train2017/1.png", "val2017/2.png"]
    np.testing.assert_array_equal(found["val2017/2.png"][0][1], source_files.square())
    assert source_files.found_problems(ingested) == {}


def test_cvat_exports_crowds_as_run_lengths(tmp_path, ingest):
    runs = [
        2 * source_files.HEIGHT + 3,
        5,
        source_files.HEIGHT - 5,
        5,
        source_files.HEIGHT - 5,
        5,
        source_files.HEIGHT - 5,
        5,
    ]
    runs.append(source_files.HEIGHT * source_files.WIDTH - sum(runs))
    rle = {"counts": runs, "size": [source_files.HEIGHT, source_files.WIDTH]}
    more = {"attributes": {"occluded": False}, "bbox": [2, 3, 4, 5], "area": 20}
    rows = [
        source_files.row(1, 1, segmentation=rle, iscrowd=1, **more),
        source_files.row(2, 2, iscrowd=0, **more),
        source_files.row(3, 3, iscrowd=0, **more),
    ]
    for number in (1, 2, 3):
        source_files.put(
            tmp_path, f"images/default/{number}.png", source_files.picture(number)
        )
    images = [
        source_files.entry(i, file_name=f"{i}.png", license=0, flickr_url="")
        for i in (1, 2, 3)
    ]
    source_files.put(
        tmp_path, "annotations/instances_default.json", source_files.coco(images, rows)
    )
    ingested = ingest(tmp_path)
    found = source_files.stored(ingested)
    np.testing.assert_array_equal(
        found["images/default/1.png"][0][1], source_files.square()
    )
    crowds = [split["crowds"] for split in ingested.summary["splits"].values()]
    assert sum(crowds) == 1
    assert set(source_files.found_problems(ingested)) <= {"class_absent_from_split"}
