"""The report page over records that the real ingestion wrote."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from components.coco_example_gen import problems
from components.coco_example_gen.report import report_page
from components.coco_example_gen.write import plans
from pipeline.toy import toy_coco


def pictures(page: str) -> dict[str, np.ndarray]:
    """Alternative text -> pixels of every picture."""
    tags = re.findall(
        r'<img src="data:image/jpeg;base64,([^"]*)"[^>]*alt="([^"]*)"', page
    )
    return {
        alt: np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
        for text, alt in tags
    }


def is_red(pixels):
    """Bool [H, W] of uint8 [H, W, 3]: more red than a tint of gray can be."""
    red, green, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return (red > green + 60) & (red > blue + 60)


@pytest.fixture
def gray(coco_folder):
    """A gray image of 200 x 300 px (height x width) with two squares, and an eval."""
    (coco_folder.root / "train").mkdir(parents=True)
    Image.new("RGB", (300, 200), (90, 90, 90)).save(coco_folder.root / "train/1.png")

    def square(left, top, side=60):
        right, bottom = left + side, top + side
        return [[left, top, right, top, right, bottom, left, bottom]]

    boxes = [
        coco_folder.annotation(
            1, segmentation=square(20, 40), bbox=[20, 40, 60, 60], area=9999
        ),
        coco_folder.annotation(
            1, segmentation=square(200, 100), bbox=[200, 100, 60, 60], area=3600
        ),
    ]
    coco_folder.train_and_eval([coco_folder.entry(1, "1.png", 200, 300)], boxes)
    return coco_folder


def test_the_instance_concerned_is_red_where_its_mask_is(gray, ingest):
    ingested = ingest(gray.root)
    assert ingested.problems["counts"] == {"area_recomputed": 1}
    page = (ingested.report_uri / "report.html").read_text()
    (shown,) = (
        pixels
        for alt, pixels in pictures(page).items()
        if alt == "area_recomputed in train/1.png"
    )
    assert shown.shape[1] == 400  # 300 px, enlarged and shrunk to a long side of 400
    scale = 400 / 300
    red = is_red(shown)
    inside = red[
        round(45 * scale) : round(95 * scale), round(25 * scale) : round(75 * scale)
    ]
    assert inside.mean() > 0.9
    assert not is_red(shown)[:, round(100 * scale) :].any()  # nor the other square
    below = red[round(110 * scale) :]
    assert not below.any()


def test_the_gallery_shows_all_instances_of_an_image_by_class(gray, ingest):
    ingested = ingest(gray.root)
    page = (ingested.report_uri / "report.html").read_text()
    shown = pictures(page)["square: train, image 1"]
    coloured = np.ptp(shown.astype(int), axis=2) > 60
    scale = 400 / 300
    for left, top in ((20, 40), (200, 100)):
        centre = round((top + 30) * scale), round((left + 30) * scale)
        assert coloured[centre]
    assert not coloured[round(20 * scale), round(150 * scale)]
    assert "square: eval, image 2" in pictures(page)


def test_a_problem_of_an_image_that_is_not_stored_has_a_row_and_no_picture(
    gray, ingest
):
    file = gray.root / "annotations/instances_train.json"
    content = json.loads(file.read_text())
    content["images"].append(gray.entry(7, "gone.png", 200, 300))
    file.write_text(json.dumps(content))
    page = (ingest(gray.root).report_uri / "report.html").read_text()
    assert "train/gone.png" in page or "gone.png, image 7" in page
    assert not [alt for alt in pictures(page) if "gone" in alt]


def test_equal_data_gives_equal_bytes_whatever_the_shards(
    tmp_path, ingest, monkeypatch
):
    root = toy_coco.generate(tmp_path / "toy", 9, 3, size=64)
    once = ingest(root).report_uri / "report.html"
    monkeypatch.setattr(plans, "IMAGES_PER_SHARD", 4)
    again = ingest(root).report_uri / "report.html"
    assert once.read_bytes() == again.read_bytes()
    assert len(pictures(once.read_text())) == 9  # three of each of three classes


def test_the_page_stays_small_however_much_there_is(tmp_path, monkeypatch):
    """Ten thousand classes, long names, and more bytes of pictures than may be."""
    row = {"objects": 3, "images": 2, "sizes": {"small": 3, "medium": 0, "large": 0}}
    classes = [
        {**row, "category_id": n, "name": "n" * 5000, "sample_image_ids": [1, 2, 3]}
        for n in range(10_000)
    ]
    split = {
        "images": 9,
        "images_without_objects": 0,
        "objects": 30_000,
        "crowds": 0,
        "sizes": row["sizes"],
        "instances_per_image": {str(n): 1 for n in range(1000)},
        "long_side_px": [{"from": 0, "below": None, "count": 9}],
        "mask_area_share": [{"from": 0, "below": None, "count": 9}],
        "classes": classes,
    }
    summary = {
        "root": "/data",
        "layout": "coco",
        "on_problem": "repair",
        "sources": [{"root": "/data", "layout": "coco", "images": {"train": 9}}],
        "splits": {"train": split},
    }
    log = problems.ProblemLog()
    for kind in problems.SEVERITIES:
        for number in range(30):
            log.add(problems.Problem(kind, "f" * 900, "m" * 900, "a" * 900, number))
    drawn = []

    def find(folders, image_ids):
        assert sum(len(ids) for ids in image_ids.values()) < 200
        return {("train", image_id): image_id for image_id in image_ids["train"]}

    def draw(example, colours, annotation_id):
        drawn.append(example)
        noise = b"\xff" * 60_000
        return report_page.report_pictures.Thumbnail(noise, 400, 300)

    monkeypatch.setattr(report_page.stored_examples, "find", find)
    monkeypatch.setattr(report_page.report_pictures, "draw", draw)
    monkeypatch.setattr(report_page, "_stored", lambda problem, examples: 1)
    report_page.write(str(tmp_path), summary, log, {"train": "nowhere"})
    size = (tmp_path / "report.html").stat().st_size
    kinds = len(problems.SEVERITIES) - 2  # those that no picture shows
    assert len(drawn) == min(24, 3 * kinds) + 72
    assert 53 * 80_000 < size < 5_000_000  # 53 pictures of 60 kB fit into 3.2 MB
