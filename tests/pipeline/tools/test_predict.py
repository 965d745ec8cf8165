import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from foundation import drawing, errors
from pipeline.tools import predict

RED_STRIPE = (3, 8, 0, 8, 32)
BLUE_STRIPE = (22, 20, 0, 8, 32)


@pytest.fixture
def picture(colour_model):
    return Image.fromarray(colour_model.picture([RED_STRIPE, BLUE_STRIPE]))


def results_of(out):
    return json.loads((out / "predictions.json").read_text())


def test_writes_a_picture_and_coco_results(exported, picture, colour_model, tmp_path):
    picture.save(tmp_path / "photo.png")
    out = tmp_path / "out"
    summary = predict.predict_files(exported, [tmp_path / "photo.png"], out)
    assert sorted(p.name for p in out.iterdir()) == ["photo.png", "predictions.json"]
    rows = results_of(out)
    assert {row["category_id"] for row in rows} == {3, 22}
    truth = {3: RED_STRIPE, 22: BLUE_STRIPE}
    for row in rows:
        shape = truth[row["category_id"]]
        mask = coco_mask.decode(row["segmentation"])
        np.testing.assert_array_equal(mask, colour_model.box_mask((32, 32), *shape[1:]))
        assert row["bbox"] == [0.0, float(shape[1]), 32.0, 8.0]
        assert row["image_id"] == 1
        assert row["file_name"].endswith("photo.png")
    assert summary.objects == {"red thing": 1, "blue thing": 1}
    assert "1 blue thing, 1 red thing in 1 image(s)" in str(summary)


def test_detections_below_the_minimum_are_left_out(exported, picture, tmp_path):
    picture.save(tmp_path / "photo.png")
    predict.predict_files(exported, [tmp_path / "photo.png"], tmp_path, 0.0)
    assert len(results_of(tmp_path)) > 2  # unlikely classes of both objects too
    predict.predict_files(exported, [tmp_path / "photo.png"], tmp_path, 0.999)
    assert len(results_of(tmp_path)) == 0


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.jpg", "RGB"),
        ("a.jpg", "CMYK"),
        ("a.webp", "RGB"),
        ("a.bmp", "RGB"),
        ("a.gif", "P"),
        ("a.png", "RGBA"),
        ("a.tiff", "RGB"),
        ("a.png", "P"),
    ],
)
def test_any_format_that_pillow_reads(exported, picture, tmp_path, name, mode):
    picture.convert(mode).save(tmp_path / name)
    predict.predict_files(exported, [tmp_path / name], tmp_path / "out")
    assert {row["category_id"] for row in results_of(tmp_path / "out")} == {3, 22}


@pytest.mark.parametrize("mode", ["L", "I;16", "1", "LA"])
def test_pictures_without_colour_are_read(exported, tmp_path, mode):
    gray = np.full([32, 48], 200, np.uint16 if mode == "I;16" else np.uint8)
    image = Image.fromarray(gray)
    (image if mode == "I;16" else image.convert(mode)).save(tmp_path / "gray.png")
    summary = predict.predict_files(exported, [tmp_path / "gray.png"], tmp_path / "out")
    assert len(summary.pictures) == 1


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    gray = np.array([[0, 0x7FFF, 0xFFFF]], np.uint16)
    image = predict._to_rgb(Image.fromarray(gray))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 127, 255]


def test_pictures_are_turned_as_exif_asks(exported, picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    wide = picture.crop((0, 0, 32, 16))
    wide.save(tmp_path / "turned.png", exif=exif)
    predict.predict_files(exported, [tmp_path / "turned.png"], tmp_path / "out")
    (red,) = results_of(tmp_path / "out")
    assert red["segmentation"]["size"] == [32, 16]
    assert red["bbox"] == [0.0, 0.0, 8.0, 32.0]  # the lower rows became the left
    drawn = Image.open(tmp_path / "out" / "turned.png")
    assert drawn.height == 2 * drawn.width


def test_unreadable_files_are_told_together_and_the_others_done(
    exported, picture, tmp_path
):
    picture.save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("not a picture")
    names = ["cut.png", "missing.jpg", "good.png", "text.jpg"]
    out = tmp_path / "out"
    with pytest.raises(errors.UserError) as raised:
        predict.predict_files(exported, [tmp_path / name for name in names], out)
    message = str(raised.value)
    assert message.startswith("3 image(s) could not be read")
    assert "missing.jpg: no such file" in message
    assert "cut.png: cannot be decoded" in message
    assert "text.jpg: cannot be decoded" in message
    assert "The other 1 are done" in message
    assert (out / "good.png").exists()
    assert len(results_of(out)) == 2


def test_without_one_readable_file_there_are_no_results(exported, tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture")
    with pytest.raises(errors.UserError, match="no known format[^ ]*\nGive"):
        predict.predict_files(exported, [tmp_path / "text.jpg"], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_equal_names_and_names_of_inputs_do_not_collide(exported, picture, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        picture.save(tmp_path / folder / "x.png")
    picture.convert("L").save(tmp_path / "b" / "X.jpg")
    before = (tmp_path / "b" / "x.png").read_bytes()
    paths = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "b/X.jpg"]
    summary = predict.predict_files(exported, [*paths, paths[0]], tmp_path / "b")
    names = [target.name for target in summary.pictures.values()]
    assert names == ["x-2.png", "x-3.png", "X-4.png"]
    assert (tmp_path / "b" / "x.png").read_bytes() == before


def test_a_folder_stands_for_its_images(exported, picture, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    picture.save(folder / "b.png")
    picture.save(folder / "a.jpg")
    (folder / "notes.txt").touch()
    summary = predict.predict_files(exported, [folder], tmp_path / "out")
    assert [file.name for file in summary.pictures] == ["a.jpg", "b.png"]


def test_an_out_folder_that_is_a_file_is_one_clear_error(exported, picture, tmp_path):
    picture.save(tmp_path / "photo.png")
    (tmp_path / "out").touch()
    with pytest.raises(errors.UserError, match="--out .*out: cannot be written"):
        predict.predict_files(exported, [tmp_path / "photo.png"], tmp_path / "out")


def test_masks_are_tinted_and_the_rest_is_left_alone(exported, picture, tmp_path):
    picture.save(tmp_path / "photo.png")
    predict.predict_files(exported, [tmp_path / "photo.png"], tmp_path / "out")
    drawn = np.asarray(Image.open(tmp_path / "out" / "photo.png")).astype(int)
    assert drawn.shape == (640, 640, 3)  # 20 times larger, so that labels are legible
    colours = drawing.class_colours([3, 7, 22])
    tinted = drawn[240, 600]  # in the red stripe, away from outline and label
    expected = 0.55 * np.array([230, 20, 20]) + 0.45 * np.array(colours[3])
    np.testing.assert_allclose(tinted, expected, atol=4)
    assert drawn[620, 600].tolist() == [0, 0, 0]


def test_large_pictures_keep_their_size():
    assert drawing.draw_instances(Image.new("RGB", (900, 700)), []).size == (900, 700)


def test_class_colours_are_different_and_do_not_depend_on_order():
    colours = drawing.class_colours([22, 3, 7])
    assert len(set(colours.values())) == 3
    assert colours == drawing.class_colours([3, 7, 22])


def test_labels_at_one_place_do_not_cover_each_other(colour_model):
    from model.serve import saved_model

    mask = colour_model.rle(colour_model.box_mask((64, 64), 8, 8, 40, 40))
    taken = []
    original = drawing._write_label

    def remember(*arguments):
        taken.append(original(*arguments))
        return taken[-1]

    found = saved_model.Detections(
        scores=np.array([0.9, 0.8, 0.7]),
        category_ids=np.array([3, 7, 3]),
        class_names=["red thing", "green thing", "red thing"],
        boxes=np.array([[8.0, 8.0, 40.0, 40.0]] * 3),
        masks=[mask] * 3,
        image_size=(64, 64),
    )
    drawing._write_label = remember
    try:
        drawing.draw(Image.new("RGB", (64, 64)), found, drawing.class_colours([3, 7]))
    finally:
        drawing._write_label = original
    for number, one in enumerate(taken):
        assert not any(drawing._overlap(one, other) for other in taken[:number])
