import io
import json

import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks import data_plain, data_synthetic
from components.coco_example_gen import ingest_settings, ingestion
from components.coco_example_gen.read import layouts


def test_synthetic_data_is_as_large_as_asked_for_and_without_fault(tmp_path):
    data_synthetic.write(tmp_path / "data", num_images=70)
    summary = ingestion.ingest(
        layouts.detect_all([tmp_path / "data"]),
        ingest_settings.IngestSettings(),
        str(tmp_path / "work"),
        {name: str(tmp_path / name) for name in ("train", "eval")},
        str(tmp_path / "report"),
        ingestion.run_here,
    )
    assert summary["splits"]["train"]["images"] == 70
    assert summary["splits"]["train"]["objects"] == 70 * 7
    # No picture comes twice, and the masks contradict no box and no area.
    assert (tmp_path / "report/problems.jsonl").read_text() == ""


def test_the_plain_converter_stores_masks_and_boxes_of_the_drawn_objects(tmp_path):
    Image.new("RGB", (12, 16)).save(tmp_path / "1.jpg")
    square = [[2, 3, 6, 3, 6, 8, 2, 8]]  # x 2..5, y 3..7
    runs = {"size": [16, 12], "counts": [35, 5, 152]}  # x 2, y 3..7
    both = {"image_id": 1, "category_id": 5, "iscrowd": 0}
    rows = [
        {**both, "segmentation": square, "bbox": [2, 3, 4, 5], "area": 20},
        {**both, "segmentation": runs, "bbox": [2, 3, 1, 5], "area": 5},
    ]
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": 16, "width": 12}],
        "annotations": rows,
        "categories": [{"id": 5, "name": "square"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    out = tmp_path / "out.tfrecord"
    assert data_plain.convert(tmp_path / "a.json", tmp_path, out) == 1
    (record,) = tf.data.TFRecordDataset(str(out)).as_numpy_iterator()
    feature = tf.train.Example.FromString(record).features.feature
    masks = [
        np.asarray(Image.open(io.BytesIO(png)))
        for png in feature["image/object/mask"].bytes_list.value
    ]
    drawn = np.zeros([2, 16, 12], np.uint8)
    drawn[0, 3:8, 2:6] = 1
    drawn[1, 3:8, 2] = 1
    np.testing.assert_array_equal(masks, drawn)
    right = feature["image/object/bbox/xmax"].float_list.value
    np.testing.assert_allclose(right, [6 / 12, 3 / 12])
    picture = feature["image/encoded"].bytes_list.value
    assert list(picture) == [(tmp_path / "1.jpg").read_bytes()]
