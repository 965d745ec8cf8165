import io
import json
import shutil

import pytest
import rich.console
from PIL import Image

from foundation import errors
from pipeline.settings import config
from pipeline.tools import evaluate

RED_STRIPE = (3, 8, 0, 8, 32)
BLUE_STRIPE = (22, 20, 0, 8, 32)
NAMES = {3: "red thing", 7: "green thing", 22: "blue thing"}


def write_coco(colour_model, folder, pictures, file="annotations/instances_val.json"):
    """Pictures are lists of shapes as `colour_model.picture` takes them."""
    images, annotations = [], []
    image_folder = folder / "images"
    image_folder.mkdir(parents=True, exist_ok=True)
    for image_id, shapes in enumerate(pictures, start=1):
        name = f"{image_id}.png"
        pixels = colour_model.picture(shapes)
        Image.fromarray(pixels).save(image_folder / name)
        images.append({"id": image_id, "file_name": name, "height": 32, "width": 32})
        for shape in shapes:
            rle = colour_model.rle(colour_model.box_mask((32, 32), *shape[1:]))
            row = {"id": len(annotations) + 1, "image_id": image_id}
            row |= {"category_id": shape[0], "segmentation": rle}
            annotations.append(row)
    categories = [{"id": key, "name": name} for key, name in NAMES.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return content


@pytest.fixture
def data(colour_model, tmp_path):
    folder = tmp_path / "data"
    write_coco(colour_model, folder, [[RED_STRIPE, BLUE_STRIPE], [RED_STRIPE], []])
    source = folder / "annotations" / "instances_val.json"
    shutil.copy(source, folder / "annotations" / "instances_train.json")
    return folder


def printed(found):
    console = rich.console.Console(file=io.StringIO(), width=200)
    console.print(found)
    return console.file.getvalue()


def test_a_model_that_sees_everything_scores_one(exported, data):
    found = evaluate.evaluate_folder(exported, data, batch_size=2)
    assert found.metrics.mask_ap == pytest.approx(1.0)
    assert found.metrics.num_images == 3
    assert found.metrics.num_objects == 3
    text = printed(found)
    assert "3 images, 3 objects" in text
    assert "blue thing" in text and "1.0000" in text


def test_a_class_of_the_data_that_the_model_lacks_is_said(exported, data, colour_model):
    path = data / "annotations" / "instances_val.json"
    content = json.loads(path.read_text())
    content["categories"].append({"id": 40, "name": "[dog]"})
    content["annotations"][1]["category_id"] = 40
    path.write_text(json.dumps(content))
    found = evaluate.evaluate_folder(exported, data)
    assert found.metrics.mask_ap == pytest.approx(0.5)
    assert any("[dog]" in note and "AP 0" in note for note in found.notes)
    assert "[dog]" in printed(found)


def test_a_class_of_another_name_is_said(exported, data):
    for name in ("train", "val"):
        path = data / "annotations" / f"instances_{name}.json"
        path.write_text(path.read_text().replace("red thing", "apple"))
    found = evaluate.evaluate_folder(exported, data)
    (note,) = found.notes
    assert note == "class 3 is 'apple' in the data and 'red thing' in the model"


def test_classes_of_labelme_are_the_models_by_name(exported, colour_model, tmp_path):
    for split in ("train", "val"):
        folder = tmp_path / "data" / split
        folder.mkdir(parents=True)
        for number, shapes in enumerate([[RED_STRIPE, BLUE_STRIPE], [BLUE_STRIPE]]):
            picture = folder / f"{number}.png"
            Image.fromarray(colour_model.picture(shapes)).save(picture)
            labelled = [
                {
                    "label": NAMES[category_id],
                    "points": [[left, top], [left + width, top + height]],
                    "shape_type": "rectangle",
                }
                for category_id, top, left, height, width in shapes
            ]
            content = {"version": "5.4.1", "shapes": labelled}
            content |= {"imagePath": picture.name, "imageData": None}
            (folder / f"{number}.json").write_text(json.dumps(content))
    found = evaluate.evaluate_folder(exported, tmp_path / "data")
    assert found.metrics.mask_ap == pytest.approx(1.0)
    assert found.metrics.num_objects == 3
    path = folder / "1.json"
    path.write_text(path.read_text().replace("blue thing", "a van"))
    found = evaluate.evaluate_folder(exported, tmp_path / "data")
    assert any("(a van) is not in the model" in note for note in found.notes)


def test_missing_and_broken_images_are_told_together(exported, data):
    (data / "images" / "1.png").unlink()
    (data / "images" / "2.png").write_bytes(b"no image")
    with pytest.raises(errors.UserError) as raised:
        evaluate.evaluate_folder(exported, data)
    assert str(raised.value).startswith("2 image(s) of the eval split are missing")
    assert "1.png" in str(raised.value) and "2.png" in str(raised.value)


def test_a_folder_that_is_not_coco_is_one_clear_error(exported, tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(errors.CocoFormatError, match="no annotations found"):
        evaluate.evaluate_folder(exported, tmp_path / "data")


def test_one_annotation_file_is_split_as_the_models_run_split_it(
    exported, colour_model, tmp_path
):
    model = shutil.copytree(exported, tmp_path / "model")
    folder = tmp_path / "data"
    write_coco(colour_model, folder, [[RED_STRIPE]] * 10, "all.json")
    counts = []
    for fraction in (0.2, 0.5):
        data = config.DataConfig(eval_fraction=fraction)
        text = config.PipelineConfig(data=data).to_json()
        info = model / "assets.extra" / "info.json"
        info.write_text(json.dumps({"config": text}))
        counts.append(evaluate.evaluate_folder(model, folder).metrics.num_images)
    assert counts == [2, 5]
