"""Every source, from its files to the masks in the records."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from model import features

HEIGHT, WIDTH = 16, 12
SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]


def square():
    expected = np.zeros([HEIGHT, WIDTH], np.uint8)
    expected[3:8, 2:6] = 1
    return expected


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def picture(number):
    """Bytes of a picture that no other number gives."""
    return png(np.full([HEIGHT, WIDTH, 3], 20 * number, np.uint8))


def put(root, place, content):
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    path.write_bytes(content)


def column_by_column(runs):
    values = np.repeat(np.arange(runs.size) % 2, runs)
    return values.reshape(WIDTH, HEIGHT).T


def stored(ingested):
    """File name -> pairs of class name and mask, over both splits."""
    found = {}
    for split in ("train", "eval"):
        for example in ingested.examples(split):
            ends = np.cumsum(example[features.NUM_RUNS])
            runs = np.split(example[features.RUN_LENGTHS], ends[:-1])
            masks = [column_by_column(each) for each in runs] if ends.size else []
            names = [name.decode() for name in example[features.CATEGORY_NAME]]
            pairs = list(zip(names, masks, strict=True))
            found[example[features.IMAGE_FILENAME].decode()] = pairs
    return found


def found_problems(ingested):
    return {
        kind: entry["count"]
        for kind, entry in ingested.summary["problems"].items()
        if entry["count"]
    }


def labelme(root, name, shapes, data=None):
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": f"{name}.png",
        "imageData": None if data is None else base64.b64encode(data).decode(),
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }
    put(root, f"{name}.json", content)


RECTANGLE = {"label": "square", "points": [[2, 3], [6, 8]], "shape_type": "rectangle"}


def coco(images, annotations, categories=({"id": 5, "name": "square"},)):
    return {
        "images": images,
        "annotations": annotations,
        "categories": list(categories),
    }


def entry(image_id, **others):
    return {"id": image_id, "height": HEIGHT, "width": WIDTH, **others}


def row(annotation_id, image_id, category_id=5, segmentation=SQUARE, **others):
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": segmentation,
        **others,
    }


def test_labelme_pictures_inside_and_beside_the_files(tmp_path, ingest):
    ring = np.zeros([5, 7], bool)
    ring[0], ring[-1], ring[:, 0], ring[:, -1] = True, True, True, True
    mask = {
        "label": "ring_7",
        "points": [[3, 9], [9, 13]],
        "shape_type": "mask",
        "mask": base64.b64encode(png(ring.astype(np.uint8) * 255)).decode(),
    }
    put(tmp_path, "a.png", picture(1))
    labelme(tmp_path, "a", [RECTANGLE, mask])
    labelme(tmp_path, "b", [mask], data=picture(2))
    ingested = ingest(tmp_path, label_pattern=r"(.+)_\d+")
    found = stored(ingested)
    (first, (name, second)) = found["a.png"]
    assert (first[0], name) == ("square", "ring")
    np.testing.assert_array_equal(first[1], square())
    expected = np.zeros([HEIGHT, WIDTH], np.uint8)
    expected[9:14, 3:10] = ring
    np.testing.assert_array_equal(second, expected)
    np.testing.assert_array_equal(found["b.json"][0][1], expected)
    encoded = {
        example[features.IMAGE_ENCODED]
        for split in ("train", "eval")
        for example in ingested.examples(split)
    }
    assert encoded == {picture(1), picture(2)}
    assert set(found_problems(ingested)) <= {"class_absent_from_split"}


def test_an_image_bomb_inside_a_labelme_file_is_left_out(tmp_path, ingest):
    for number in (1, 2):
        put(tmp_path, f"{number}.png", picture(number))
        labelme(tmp_path, str(number), [RECTANGLE])
    bomb = png(np.zeros([4000, 4000], np.uint8))
    labelme(tmp_path, "3", [RECTANGLE], data=bomb)
    ingested = ingest(tmp_path, max_pixels=1_000_000, eval_fraction=0.5)
    assert len(stored(ingested)) == 2
    assert found_problems(ingested) == {"oversized_image": 1, "labelme_size": 1}


def test_panoptic_segments_of_things_are_instances(tmp_path, ingest):
    categories = [
        {"id": 3, "name": "sky", "isthing": 0},
        {"id": 5, "name": "square", "isthing": 1},
    ]
    for split, number in (("train", 1), ("val", 2)):
        ids = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
        ids[:2] = [9, 0, 0]
        ids[square() == 1] = [44, 1, 7]
        put(tmp_path, f"{split}/{number}.png", picture(number))
        put(tmp_path, f"annotations/panoptic_{split}/{number}.png", png(ids))
        segments = [
            {"id": 9, "category_id": 3, "iscrowd": 0},
            {"id": 44 + 256 + 7 * 65536, "category_id": 5, "iscrowd": 0},
        ]
        rows = [
            {"image_id": 7, "file_name": f"{number}.png", "segments_info": segments}
        ]
        images = [entry(7, file_name=f"{number}.png")]
        content = coco(images, rows, categories)
        put(tmp_path, f"annotations/panoptic_{split}.json", content)
    ingested = ingest(tmp_path)
    found = stored(ingested)
    assert sorted(found) == ["train/1.png", "val/2.png"]
    for pairs in found.values():
        ((name, mask),) = pairs
        assert name == "square"
        np.testing.assert_array_equal(mask, square())
    assert found_problems(ingested) == {}
    assert ingested.summary["layout"] == "panoptic"


def test_a_png_of_another_size_stops_and_names_its_file(tmp_path, ingest):
    segments = [{"id": 1, "category_id": 5, "iscrowd": 0}]
    rows = [
        {"image_id": i, "file_name": f"{i}.png", "segments_info": segments}
        for i in (1, 2)
    ]
    for number in (1, 2):
        put(tmp_path, f"{number}.png", picture(number))
        put(tmp_path, f"panoptic_all/{number}.png", png(np.ones([9, 9, 3], np.uint8)))
    images = [entry(i, file_name=f"{i}.png") for i in (1, 2)]
    put(tmp_path, "panoptic_all.json", coco(images, rows))
    with pytest.raises(Exception, match=r"1.png: has 9 x 9 px .* the image 16 x 12"):
        ingest(tmp_path)


def test_lvis_names_pictures_by_their_url(tmp_path, ingest):
    for split, number in (("train", 1), ("val", 2)):
        url = f"http://images.cocodataset.org/{split}2017/{number}.png"
        rows = [row(number, number, area=20.0, bbox=[2, 3, 4, 5])]
        images = [entry(number, coco_url=url, not_exhaustive_category_ids=[])]
        put(tmp_path, f"lvis_v1_{split}.json", coco(images, rows))
        put(tmp_path, f"{split}2017/{number}.png", picture(number))
    ingested = ingest(tmp_path)
    found = stored(ingested)
    assert sorted(found) == ["train2017/1.png", "val2017/2.png"]
    np.testing.assert_array_equal(found["val2017/2.png"][0][1], square())
    assert found_problems(ingested) == {}


def test_cvat_exports_crowds_as_run_lengths(tmp_path, ingest):
    runs = [2 * HEIGHT + 3, 5, HEIGHT - 5, 5, HEIGHT - 5, 5, HEIGHT - 5, 5]
    runs.append(HEIGHT * WIDTH - sum(runs))
    rle = {"counts": runs, "size": [HEIGHT, WIDTH]}
    more = {"attributes": {"occluded": False}, "bbox": [2, 3, 4, 5], "area": 20}
    rows = [
        row(1, 1, segmentation=rle, iscrowd=1, **more),
        row(2, 2, iscrowd=0, **more),
        row(3, 3, iscrowd=0, **more),
    ]
    for number in (1, 2, 3):
        put(tmp_path, f"images/default/{number}.png", picture(number))
    images = [
        entry(i, file_name=f"{i}.png", license=0, flickr_url="") for i in (1, 2, 3)
    ]
    put(tmp_path, "annotations/instances_default.json", coco(images, rows))
    ingested = ingest(tmp_path)
    found = stored(ingested)
    np.testing.assert_array_equal(found["images/default/1.png"][0][1], square())
    crowds = [split["crowds"] for split in ingested.summary["splits"].values()]
    assert sum(crowds) == 1
    assert set(found_problems(ingested)) <= {"class_absent_from_split"}


@pytest.fixture
def two_roots(tmp_path):
    """A COCO root of both splits, and a LabelMe root with a picture of the first."""
    first, second = tmp_path / "coco", tmp_path / "labelme"
    categories = [{"id": 1, "name": "disk"}, {"id": 5, "name": "square"}]
    for split, number in (("train", 1), ("val", 2)):
        put(first, f"{split}/{number}.png", picture(number))
        images = [entry(number, file_name=f"{number}.png")]
        rows = [row(number, number), row(number + 10, number, 1)]
        content = coco(images, rows, categories)
        put(first, f"annotations/instances_{split}.json", content)
    for name, number in (("a", 1), ("b", 3), ("c", 4)):
        put(second, f"{name}.png", picture(number))
        bus = {**RECTANGLE, "label": "bus"}
        labelme(second, name, [RECTANGLE, bus])
    return first, second


def test_roots_of_different_sources_are_one_dataset(two_roots, ingest):
    ingested = ingest(*two_roots)
    found = stored(ingested)
    assert sorted(found) == [
        "coco/train/1.png",
        "coco/val/2.png",
        "labelme/a.png",
        "labelme/b.png",
        "labelme/c.png",
    ]
    for pairs in found.values():
        for _, mask in pairs:
            np.testing.assert_array_equal(mask, square())
    classes = {
        (each["category_id"], each["name"])
        for split in ingested.summary["splits"].values()
        for each in split["classes"]
    }
    assert classes == {(1, "disk"), (5, "square"), (6, "bus")}
    ids = [
        int(example[features.IMAGE_ID])
        for split in ("train", "eval")
        for example in ingested.examples(split)
    ]
    assert sorted(ids) == [1, 2, 4, 5, 6]  # the later root's 1, 2, 3 moved by 3
    images = [source["images"] for source in ingested.summary["sources"]]
    assert images == [{"train": 1, "eval": 1}, {"train": 2, "eval": 1}]
    problems = found_problems(ingested)
    twice = problems.pop("image_repeated", 0) + problems.pop("image_in_both_splits", 0)
    assert twice == 1
    assert problems == {"category_id_changed": 2, "ids_renumbered": 2}


def test_a_root_is_split_as_it_would_be_alone(two_roots, ingest):
    alone = {
        example[features.IMAGE_FILENAME].decode()
        for example in ingest(two_roots[1]).examples("eval")
    }
    together = {
        example[features.IMAGE_FILENAME].decode()
        for example in ingest(*two_roots).examples("eval")
    }
    assert together == {"coco/val/2.png"} | {f"labelme/{name}" for name in alone}


def test_the_only_picture_of_a_later_root_is_trained_on(two_roots, ingest):
    first, second = two_roots
    for name in ("b", "c"):
        (second / f"{name}.json").unlink()
        (second / f"{name}.png").unlink()
    ingested = ingest(first, second)
    images = [source["images"] for source in ingested.summary["sources"]]
    assert images[1] == {"train": 1, "eval": 0}


def test_a_refusal_names_the_root(two_roots, ingest):
    first, second = two_roots
    labelme(second, "d", [RECTANGLE])
    content = json.loads((second / "d.json").read_text())
    put(second, "d.json", {**content, "imagePath": "../../secret.png"})
    with pytest.raises(Exception, match=r"labelme/d\.json, image 4: imagePath"):
        ingest(first, second)
