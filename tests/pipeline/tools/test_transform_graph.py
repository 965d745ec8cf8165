import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from model import image_sections
from model.examples import features, preprocessing, record_files
from pipeline.settings import config as pipeline_config
from pipeline.tools import data_convert, transform_graph


@pytest.fixture(scope="module")
def examples(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    data_convert.to_tfrecord([toy], pipeline_config.PipelineConfig(), folder)
    return folder


def parsed(examples):
    files = record_files.files_of_split(str(examples / "train"))
    for each in record_files.read(files).as_numpy_iterator():
        yield tf.train.Example.FromString(each).features.feature


def test_pixels_and_classes_of_the_training_split_are_measured(examples, tmp_path):
    data = image_sections.ImageConfig(short_side=64, long_side=64)
    told = {"data": data.model_dump_json()}
    transform_graph.write(f"{examples}/train/*", told, tmp_path / "graph", 1)
    found = preprocessing.ImageTransform(tmp_path / "graph", data)
    pixels, names = [], []
    for row in parsed(examples):
        encoded = row[features.IMAGE_ENCODED].bytes_list.value[0]
        picture = np.asarray(PIL.Image.open(io.BytesIO(encoded)))
        pixels.append(picture.astype(np.float64).reshape(-1, 3))
        objects = zip(
            row[features.CATEGORY_NAME].bytes_list.value,
            row[features.IS_CROWD].int64_list.value,
            strict=True,
        )
        names += [name for name, is_crowd in objects if not is_crowd]
    mean = np.mean([each.mean(0) for each in pixels], 0)
    squares = np.mean([(each**2).mean(0) for each in pixels], 0)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-3)
    np.testing.assert_allclose(found.std, np.sqrt(squares - mean**2), rtol=1e-3)
    classes = preprocessing.read_categories(tmp_path / "graph")
    counts = {each.name: each.training_count for each in classes}
    assert counts == {name.decode(): names.count(name) for name in set(names)}
