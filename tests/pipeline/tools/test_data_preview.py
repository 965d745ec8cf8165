import json
import shutil

import numpy as np
import pytest
from PIL import Image
from pycocotools import coco
from typer import testing

from foundation import drawing
from pipeline.cli import cli
from pipeline.settings import config
from pipeline.tools import data_preview
from pipeline.toy import toy_coco

PLAIN = {"crop_size": 64, "min_scale": 1.0, "max_scale": 1.0, "flip_probability": 0.0}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "coco"
    return toy_coco.generate(folder, num_train=16, num_eval=4, size=64)


def m2f(*arguments):
    return testing.CliRunner().invoke(cli.app, [str(each) for each in arguments])


def settings(**augment):
    values = {"train": {"augment": {**PLAIN, **augment}}}
    return config.PipelineConfig.model_validate(values)


def record_of(toy, folder, file_name):
    records = data_preview._ingest_some([toy], settings(), folder, 16, 0)
    feeding = data_preview._Feeding(records, settings().train)
    fed = [feeding.feed(record, (0, 0)) for record in records]
    return next(each for each in fed if each.source.endswith(file_name))


def test_what_is_drawn_is_the_picture_with_the_masks_of_its_annotations(toy, tmp_path):
    truth = coco.COCO(str(toy / "annotations" / "instances_train.json"))
    image = next(each for each in truth.imgs.values() if each["width"] == 64)
    fed = record_of(toy, tmp_path / "work", image["file_name"])
    annotations = truth.loadAnns(truth.getAnnIds([image["id"]], iscrowd=False))
    height = image["height"]
    np.testing.assert_array_equal(
        fed.masks[:, :height], [truth.annToMask(each) for each in annotations]
    )
    names = [truth.cats[each["category_id"]]["name"] for each in annotations]
    assert [each.name for each in fed.classes] == names
    stored = Image.open(toy / "train" / image["file_name"]).convert("RGB")
    difference = np.abs(fed.pixels[:height].astype(int) - np.asarray(stored))
    assert difference.mean() < 1.5 and difference.max() < 16  # two JPEG decoders


def test_masks_are_tinted_where_they_are():
    mask = np.zeros([1, 64, 64], np.uint8)
    mask[0, 32:56, 8:40] = 1
    category = data_preview.categories.Category(3, "disk", 0)
    pixels = np.full([64, 64, 3], 100, np.uint8)
    fed = data_preview.Fed("a.jpg", pixels, mask, (category,))
    picture = np.asarray(data_preview.draw(fed, drawing.class_colours([3])))
    factor = len(picture) // 64
    middle = picture[44 * factor, 24 * factor].astype(int)
    outside = picture[8 * factor, 56 * factor]
    assert outside.tolist() == [100, 100, 100]
    assert np.abs(middle - 100).max() > 30


def test_the_page_shows_every_picture_and_escapes_what_came_from_data(toy, tmp_path):
    data = shutil.copytree(toy, tmp_path / "coco")
    path = data / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    for category in content["categories"]:
        category["name"] = f"<script>alert({category['id']})</script>"
    path.write_text(json.dumps(content))
    (data / "annotations" / "instances_val.json").unlink()
    out = tmp_path / "out"
    done = m2f("data", "preview", data, "--out", out, "--count", 20)
    assert done.exit_code == 0, done.stderr
    names = sorted(path.name for path in out.iterdir())
    pictures = [f"{number:04d}.png" for number in range(20)]
    assert names == [".written_by_m2f", *pictures, "index.html"]
    page = (out / "index.html").read_text()
    assert "<script" not in page and "&lt;script&gt;alert(3)" in page
    assert page.count('<img src="data:image/jpeg;base64,') == 20
    assert all(f'href="{name}"' in page for name in pictures)


def test_the_seed_alone_decides(toy, tmp_path):
    made = []
    for number, seed in enumerate([5, 5, 6]):
        folder = tmp_path / str(number)
        folder.mkdir()
        jitter = settings(min_scale=0.5, max_scale=2.0, flip_probability=0.5)
        data_preview.write([toy], jitter, folder, 3, seed)
        made.append([(folder / f"000{i}.png").read_bytes() for i in range(3)])
    assert made[0] == made[1] != made[2]
    assert len(set(made[0])) == 3


def test_few_images_come_again_with_another_augmentation(toy, tmp_path):
    jitter = settings(min_scale=0.5, max_scale=2.0)
    data_preview.write([toy], jitter, tmp_path, 18, 0)
    first, again = (tmp_path / f"{number:04d}.png" for number in (0, 16))
    assert first.read_bytes() != again.read_bytes()


def test_a_set_without_a_usable_picture_is_refused(toy, tmp_path):
    data = shutil.copytree(toy, tmp_path / "coco")
    shutil.rmtree(data / "train")
    (data / "train").mkdir()
    done = m2f("data", "preview", data, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "no training image can be shown" in done.stderr
    assert not (tmp_path / "out").exists()
